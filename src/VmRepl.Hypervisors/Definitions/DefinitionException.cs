namespace VmRepl.Hypervisors.Definitions;

/// <summary>A definition cannot be read, or asks for what is refused.</summary>
public sealed class DefinitionException(string field, string problem, Exception? cause = null) : Exception($"the VM's definition: {field}: {problem}", cause)
{
    /// <summary>The element or property, such as <c>memory</c>.</summary>
    public string Field { get; } = field;
}
