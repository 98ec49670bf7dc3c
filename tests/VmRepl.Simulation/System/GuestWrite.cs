using VmRepl.Blocks;

namespace VmRepl.Simulation.System;

/// <summary>One write of a guest, as the oracle keeps it. Moments are numbers that only grow.</summary>
/// <param name="asked">What the guest asked for.</param>
internal sealed class GuestWrite(long issuedAt, GuestWrite.Asked asked)
{
    private readonly List<(Extent Extent, byte[] Contents)> edges = [];

    public long IssuedAt { get; } = issuedAt;

    /// <summary><see cref="long.MaxValue"/> while it was not answered.</summary>
    public long AnsweredAt { get; set; } = long.MaxValue;

    public int Disk => asked.Disk;

    /// <summary>The first sector that it touches.</summary>
    public required int FirstSector { get; init; }

    public required int SectorCount { get; init; }

    /// <summary>How many versions each of its sectors had when the source that it was made on died; null while that lives.</summary>
    public int[]? KnownAtDeath { get; set; }

    /// <summary>It failed while the source lived: what of it was given a place in the order came to the source's disk, too.</summary>
    public bool HasFailed { get; set; }

    /// <summary>Not answered, and some of its sectors never reached the source's disk.</summary>
    public bool IsCutShort => AnsweredAt == long.MaxValue && !HasFailed && Sectors.Count < SectorCount;

    /// <summary>Answered while the promise of a sync group was in force.</summary>
    public bool IsPromised { get; set; }

    /// <summary>
    /// Whether the sector may hold this write though the source's disk never had it: a change is on its way to the replica before the disk has it, and a source that dies in between leaves it there.
    /// </summary>
    /// <param name="digest">What the sector holds.</param>
    public bool MayBeAhead(int disk, int sector, ulong digest)
    {
        if (asked.Disk != disk || !IsCutShort || Sectors.Exists(s => s.Sector == sector)) return false;
        var whole = new Extent((long)sector * VmRepl.Blocks.Sectors.Size, VmRepl.Blocks.Sectors.Size);
        if (!asked.Extent.Overlaps(whole)) return false;
        Span<byte> expected = stackalloc byte[VmRepl.Blocks.Sectors.Size];
        var known = 0L;
        Put(expected, asked.Extent, asked.Contents);
        // The rest of a sector of which a part is written is what was read for it. Where nothing was, the write did not come as far as to be sent.
        foreach (var (extent, contents) in edges) Put(expected, extent, contents);
        return known == whole.Length && digest == WriteHistory.Digest(expected);

        void Put(Span<byte> sectorContents, Extent extent, byte[]? contents)
        {
            if (!extent.Overlaps(whole)) return;
            var part = Extent.FromEnds(Math.Max(extent.Offset, whole.Offset), Math.Min(extent.End, whole.End));
            var target = sectorContents.Slice((int)(part.Offset - whole.Offset), (int)part.Length);
            if (contents is null) target.Clear();
            else contents.AsSpan((int)(part.Offset - extent.Offset), (int)part.Length).CopyTo(target);
            known += part.Length;
        }
    }

    /// <summary>What was read of the disk for it: the rest of sectors of which it is a part.</summary>
    public void NoteEdge(long offset, ReadOnlySpan<byte> contents) => edges.Add((new Extent(offset, contents.Length), contents.ToArray()));

    /// <summary>What it became: sectors by disk, and which version of the sector it is.</summary>
    public List<(int Disk, int Sector, int Version)> Sectors { get; } = [];

    /// <param name="Contents">Null for zeros.</param>
    public sealed record Asked(int Disk, Extent Extent, byte[]? Contents);
}
