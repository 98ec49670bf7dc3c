namespace VmRepl.Replication.Source;

/// <summary>How a group's changes are captured.</summary>
public enum CaptureMode
{
    /// <summary>Rounds over disks that stand still; what changed between two of them is brought over.</summary>
    Snapshot,

    /// <summary>The agent serves the disks over NBD and sees every write.</summary>
    Served,
}
