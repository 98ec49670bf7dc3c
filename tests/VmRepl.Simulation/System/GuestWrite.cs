using VmRepl.Blocks;

namespace VmRepl.Simulation.System;

/// <summary>One write of a guest, as the oracle keeps it. Moments are numbers that only grow.</summary>
/// <param name="asked">What the guest asked for.</param>
internal sealed class GuestWrite(long issuedAt, GuestWrite.Asked asked)
{
    /// <summary>Null once its place in its sectors' histories is known.</summary>
    private Asked? pending = asked;

    public long IssuedAt { get; } = issuedAt;

    /// <summary><see cref="long.MaxValue"/> while it was not answered.</summary>
    public long AnsweredAt { get; set; } = long.MaxValue;

    /// <summary>Answered while the promise of a sync group was in force.</summary>
    public bool IsPromised { get; set; }

    /// <summary>
    /// Whether the sector may hold this write though the source's disk never had it: a change is on its way to the replica before the disk has it, and a source that dies in between leaves it there.
    /// </summary>
    /// <param name="digest">What the sector holds.</param>
    /// <param name="isKnown">Whether it held that once anyway.</param>
    public bool MayBeAhead(int disk, int sector, ulong digest, bool isKnown)
    {
        if (Sectors.Count > 0 || AnsweredAt != long.MaxValue) pending = null;
        if (pending is not { } asked || asked.Disk != disk) return false;
        var whole = new Extent((long)sector * VmRepl.Blocks.Sectors.Size, VmRepl.Blocks.Sectors.Size);
        if (!asked.Extent.Overlaps(whole)) return false;
        // The rest of a sector of which a part is written is what it held before.
        if (!asked.Extent.Contains(whole)) return !isKnown;
        return digest == (asked.Contents is { } contents ? WriteHistory.Digest(contents.AsSpan((int)(whole.Offset - asked.Extent.Offset), (int)whole.Length)) : WriteHistory.ZeroDigest);
    }

    /// <summary>What it became: sectors by disk, and which version of the sector it is.</summary>
    public List<(int Disk, int Sector, int Version)> Sectors { get; } = [];

    /// <param name="Contents">Null for zeros.</param>
    public sealed record Asked(int Disk, Extent Extent, byte[]? Contents);
}
