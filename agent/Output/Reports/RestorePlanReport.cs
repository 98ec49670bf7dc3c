namespace VmRepl.Agent.Output.Reports;

/// <summary>What <c>vmrepl restore-vm --plan</c> prints. Nothing was touched.</summary>
/// <param name="Directory">Where the files would be.</param>
/// <param name="ReadBytes">Bytes that would be read.</param>
/// <param name="WriteBytes">Bytes that would be written, at most.</param>
/// <param name="FreeBytes">Bytes free on the target's volume.</param>
/// <param name="BytesPerSecond">The rate measured by reading a part.</param>
/// <param name="EstimatedSeconds">How long it would take at that rate.</param>
/// <param name="Fits">Whether the target has room for it.</param>
public sealed record RestorePlanReport(
    string Group,
    ulong Sequence,
    DateTimeOffset Time,
    string? Bookmark,
    string Directory,
    IReadOnlyList<PlannedDisk> Disks,
    long ReadBytes,
    long WriteBytes,
    long FreeBytes,
    double BytesPerSecond,
    double EstimatedSeconds,
    bool Fits);
