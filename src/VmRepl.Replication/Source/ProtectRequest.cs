using VmRepl.Images;
using VmRepl.Replication.Source.Following;

namespace VmRepl.Replication.Source;

/// <summary>What is asked for by <c>vmrepl protect</c>.</summary>
/// <param name="Group">Name.</param>
/// <param name="Disks">Name, full path, and format or null to probe.</param>
/// <param name="ReplicaHost">Host of the replica.</param>
/// <param name="ReplicaPort">Its port.</param>
/// <param name="DefinitionFile">Full path, or null.</param>
/// <param name="Allow">Directories.</param>
/// <param name="Metadata">Key/value pairs.</param>
public sealed record ProtectRequest(
    string Group,
    IReadOnlyList<(string Name, string File, ImageFormat? Format)> Disks,
    string ReplicaHost,
    int ReplicaPort,
    string? DefinitionFile,
    IReadOnlyList<string> Allow,
    IReadOnlyDictionary<string, string> Metadata)
{
    /// <summary>Files at the replica to begin from, by disk name.</summary>
    public IReadOnlyDictionary<string, SourceSeed> Seeds { get; init; } = new Dictionary<string, SourceSeed>();

    public CaptureMode Capture { get; init; }

    public AcknowledgementMode Acknowledgement { get; init; }

    public LossRule OnLoss { get; init; }
}
