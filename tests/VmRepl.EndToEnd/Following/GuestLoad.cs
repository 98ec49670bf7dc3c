namespace VmRepl.EndToEnd.Following;

/// <summary>How a <see cref="Guest"/> writes.</summary>
internal sealed record GuestLoad
{
    public required int Seed { get; init; }

    /// <summary>Writes that are under way at once.</summary>
    public int Depth { get; init; } = 4;

    /// <summary>Blocks of 4 KiB that are written, spread evenly over the disk; 0 for all.</summary>
    public int Blocks { get; init; }

    /// <summary>Of all writes together; 0 for as many as are answered.</summary>
    public int WritesPerSecond { get; init; }
}
