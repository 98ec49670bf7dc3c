using VmRepl.Blocks.Files;

namespace VmRepl.Replication.Source.Following;

/// <summary>The files of a disk as they were when the agent took it or let it go; the file <c>DISK.held.json</c>.</summary>
internal sealed record HeldFiles
{
    /// <summary>The image's first, then the others that are written.</summary>
    public IReadOnlyList<FileIdentity> Files { get; init; } = [];

    /// <summary>Whether the agent let it go: then sizes and times are those that the files were left with.</summary>
    public bool IsLetGo { get; init; }

    /// <summary>When this was recorded.</summary>
    public DateTimeOffset Taken { get; init; }
}
