using VmRepl.Protocol.Messages;
using VmRepl.Replication.Source.Following;

namespace VmRepl.Replication.Source;

/// <summary>What an administrator asked to have protected; the file <c>group.json</c> of the agent's state.</summary>
/// <param name="Name">The group.</param>
/// <param name="Replica">HOST:PORT.</param>
/// <param name="Disks">Its disks.</param>
/// <param name="DefinitionFile">The VM's definition, read anew in each round; null for none.</param>
/// <param name="Allow">Directories that references inside images may lead to, besides each image's own.</param>
/// <param name="Epoch">The source side's epoch.</param>
public sealed record SourceGroupDefinition(string Name, string Replica, IReadOnlyList<SourceDisk> Disks, string? DefinitionFile, IReadOnlyList<string> Allow, uint Epoch)
{
    /// <summary>Key/value pairs that travel with the group beside the definition.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = new Dictionary<string, string>();

    /// <summary>How the disks' changes are captured.</summary>
    public CaptureMode Capture { get; init; }

    /// <summary>Of a served group.</summary>
    public AcknowledgementMode Acknowledgement { get; init; }

    /// <summary>What it is a clone of; null for a group that is none. A clone is brought over once and never followed.</summary>
    public DeclaredClone? CloneOf { get; init; }

    /// <summary>Of a clone: whether its seed is all of it. Its baseline ends when the replica has used the seed to its end in the same connection, and not otherwise.</summary>
    public bool IsSeedWhole { get; init; }

    /// <summary>Of a served group that is acknowledged in sync.</summary>
    public LossRule OnLoss { get; init; }
}
