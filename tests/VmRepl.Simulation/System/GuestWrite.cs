namespace VmRepl.Simulation.System;

/// <summary>One write of a guest, as the oracle keeps it. Moments are numbers that only grow.</summary>
internal sealed class GuestWrite(long issuedAt)
{
    public long IssuedAt { get; } = issuedAt;

    /// <summary><see cref="long.MaxValue"/> while it was not answered.</summary>
    public long AnsweredAt { get; set; } = long.MaxValue;

    /// <summary>Answered while the promise of a sync group was in force.</summary>
    public bool IsPromised { get; set; }

    /// <summary>What it became: sectors by disk, and which version of the sector it is.</summary>
    public List<(int Disk, int Sector, int Version)> Sectors { get; } = [];
}
