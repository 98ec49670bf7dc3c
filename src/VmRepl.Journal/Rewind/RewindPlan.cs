using VmRepl.Blocks;
using VmRepl.Journal.Views;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Rewind;

/// <summary>
/// What a rewind to a point puts back of a disk: each sector touched after the point, as it was, and holes as holes.
/// <para>The host allocates blocks of 4 KiB: where a part of one was written, punching that part leaves the block allocated. One that held a hole is therefore punched whole where all of it reads as zeros at the
/// point. What that takes in beyond the sectors touched reads the same before and after, and gets its undo as everything does.</para>
/// </summary>
internal sealed class RewindPlan(GroupJournal journal, ulong point)
{
    private const int BlockBytes = 4096;

    private readonly byte[] block = new byte[BlockBytes];

    /// <summary>Most bytes of one punch or zero.</summary>
    public static long HoleBytesMax(GroupJournal journal) => 4L * journal.PieceBytes;

    /// <summary>Looked at as it is enumerated. Each piece may be written before the next one is asked for: what this writes lies behind where the index is looked at next, or is passed over there.</summary>
    public IEnumerable<RewindPiece> Pieces(uint id, PointInTimeView disk)
    {
        Extent last = default;
        for (long? from = 0; from is { } at;)
        {
            (var touched, from) = journal.TouchedAfter(id, at, point);
            var runs = touched.SelectMany(e => Joined(disk.Map(e.Offset, e.Length))).ToList();
            var whole = new ExtentSet(runs.Where(r => r.State == BlockState.Unallocated).SelectMany(r => Edges(r.Extent, disk.Length)).Where(e => IsZero(disk, e)));
            var done = new ExtentSet(whole.Extents);
            if (!last.IsEmpty) done.Add(last);
            foreach (var run in runs)
            {
                foreach (var part in done.Gaps(run.Extent))
                {
                    var kind = run.HasData ? RecordKind.Write : run.State == BlockState.Zero ? RecordKind.Zero : RecordKind.Punch;
                    // Room is asked for what a record may free, before it is known that all of it has its undo already: a hole is cut as well.
                    var most = run.HasData ? journal.PieceBytes : HoleBytesMax(journal);
                    for (var piece = part.Offset; piece < part.End; piece += most)
                        yield return new RewindPiece(kind, new Extent(piece, Math.Min(most, part.End - piece)), Math.Min(most, part.End - piece));
                }
            }

            foreach (var hole in whole.Extents)
                yield return new RewindPiece(RecordKind.Punch, hole, runs.Sum(r => r.Extent.Intersect(hole).Length));
            if (whole.Extents.Count > 0) last = whole.Extents[^1];
        }
    }

    /// <summary>The blocks of which only a part lies in the range.</summary>
    private static IEnumerable<Extent> Edges(Extent range, long diskBytes)
    {
        var first = Sectors.AlignDown(range.Offset, BlockBytes);
        var final = Sectors.AlignDown(range.End, BlockBytes);
        if (first != range.Offset || (first == final && final != range.End)) yield return Block(first);
        if (final != range.End && final != first) yield return Block(final);

        Extent Block(long at) => new(at, Math.Min(BlockBytes, diskBytes - at));
    }

    private bool IsZero(PointInTimeView disk, Extent part)
    {
        var contents = block.AsSpan(0, (int)part.Length);
        disk.Read(part.Offset, contents);
        return Sectors.IsZero(contents);
    }

    private static List<MapExtent> Joined(IEnumerable<MapExtent> runs)
    {
        var joined = new List<MapExtent>();
        foreach (var run in runs)
        {
            if (joined.Count > 0 && joined[^1].HasData == run.HasData && (run.HasData || joined[^1].State == run.State) && joined[^1].End == run.Offset)
                joined[^1] = new MapExtent(joined[^1].Offset, joined[^1].Length + run.Length, run.State);
            else joined.Add(run);
        }

        return joined;
    }
}
