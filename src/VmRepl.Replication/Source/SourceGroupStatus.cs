using VmRepl.Replication.Source.Following;

namespace VmRepl.Replication.Source;

/// <summary>A group as its source sees it at one moment.</summary>
/// <param name="Definition">What is protected.</param>
/// <param name="Progress">What the last round left.</param>
/// <param name="Phase">"baseline", "syncing", "idle" or "failed".</param>
/// <param name="TotalBytes">Of the running round; 0 where none runs.</param>
/// <param name="DoneBytes">Of the running round.</param>
/// <param name="ChangedBytes">Bytes that the running round found to differ.</param>
/// <param name="Waiting">What the running round waits for, in one sentence; null while it goes on.</param>
/// <param name="LastError">Why the last round failed; null after one that did not.</param>
/// <param name="NextStep">What to do about it.</param>
public sealed record SourceGroupStatus(
    SourceGroupDefinition Definition,
    SourceProgress Progress,
    string Phase,
    long TotalBytes,
    long DoneBytes,
    long ChangedBytes,
    string? Waiting,
    string? LastError,
    string? NextStep)
{
    /// <summary>What the replica made of the disks' seeds.</summary>
    public IReadOnlyList<SeedOutcome> Seeds { get; init; } = [];

    /// <summary>Of a served group; null otherwise.</summary>
    public FollowStatus? Following { get; init; }
}
