using VmRepl.Replication.Source;
using VmRepl.Replication.Source.Following;

namespace VmRepl.Agent.Commands.Arguments;

/// <summary><c>vmrepl protect</c>. All paths are full.</summary>
/// <param name="Disks">At least one; names and files differ.</param>
/// <param name="To">The replica.</param>
/// <param name="DefinitionFile">The VM's definition, or null.</param>
/// <param name="Allow">Directories that references inside images may lead to, besides each image's own.</param>
/// <param name="Metadata">Key/value pairs that travel with the group beside the definition.</param>
/// <param name="NoWait">Whether to return before the baseline is done.</param>
/// <param name="Socket">The agent's Unix socket.</param>
public sealed record ProtectArguments(
    string Group,
    IReadOnlyList<DiskArgument> Disks,
    PeerAddress To,
    string? DefinitionFile,
    IReadOnlyList<string> Allow,
    IReadOnlyDictionary<string, string> Metadata,
    bool NoWait,
    string Socket)
{
    /// <summary>Files at the replica to begin from, as they were given; each name is one of a disk.</summary>
    public IReadOnlyList<DiskArgument> Seeds { get; init; } = [];

    /// <summary>How changes are captured, and when writes are answered.</summary>
    public (CaptureMode Capture, AcknowledgementMode Acknowledgement, LossRule OnLoss) How { get; init; }
}
