namespace VmRepl.Replication;

/// <summary>Replication of a group cannot go on: one sentence that names the group and the cause, and what to do next.</summary>
public sealed class ReplicationException(string group, string message, string hint, bool isRefusal = false, Exception? cause = null) : Exception(message, cause)
{
    public string Group { get; } = group;

    /// <summary>The next step.</summary>
    public string Hint { get; } = hint;

    /// <summary>Whether this was refused because it would have been unsafe, rather than tried and failed.</summary>
    public bool IsRefusal { get; } = isRefusal;
}
