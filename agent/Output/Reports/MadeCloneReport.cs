namespace VmRepl.Agent.Output.Reports;

/// <summary>What <c>vmrepl clone</c> prints.</summary>
/// <param name="Group">The group whose disks were cloned.</param>
/// <param name="Name">What the clone is called; what <c>restore-vm --clone</c> takes.</param>
/// <param name="State">protected, or copying where the replica does not have all of it yet.</param>
/// <param name="Point">Its place in the group's order: it holds what every record before it left.</param>
/// <param name="HoldMs">No write was held longer for it, in milliseconds.</param>
/// <param name="OwnBytes">Bytes that the replica did not have and that were sent.</param>
/// <param name="Reason">How the last attempt at the replica ended, where it is not whole there.</param>
/// <param name="Disks">Its files on this host.</param>
public sealed record MadeCloneReport(string Group, string Name, string State, RecoveryPointReport Point, double HoldMs, long OwnBytes, string? Reason, IReadOnlyList<MadeCloneReport.Disk> Disks)
{
    /// <param name="Name">The disk's.</param>
    /// <param name="File">A raw file with what it held.</param>
    /// <param name="StoredAs">The group that holds it at the replica.</param>
    public sealed record Disk(string Name, string File, string StoredAs);
}
