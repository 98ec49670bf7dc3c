namespace VmRepl.Images.Operations;

/// <summary>How <see cref="ImageDiffer"/> works.</summary>
public sealed record DiffOptions
{
    /// <summary>Whether the overlay is durable when the call returns.</summary>
    public bool Flush { get; init; }

    /// <summary>Told the bytes of the new disk done so far.</summary>
    public IProgress<long>? Progress { get; init; }
}
