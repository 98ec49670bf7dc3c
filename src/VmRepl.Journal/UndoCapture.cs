using System.Buffers;
using VmRepl.Blocks;
using VmRepl.Journal.Index;
using VmRepl.Journal.Sharing;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal;

/// <summary>
/// Makes the undo records of a batch: what the live images hold in the sectors that it touches for the first time in the recovery range.
/// Holds because the live images do not change before the whole batch, undo included, is durable.
/// </summary>
/// <param name="untouched">The parts of a range of a disk that no record of the recovery range touches.</param>
/// <param name="pieceBytes">Most bytes of payload in one undo record.</param>
/// <param name="sharing">Decides how old contents are cut, so that they can share extents.</param>
internal sealed class UndoCapture(IReadOnlyDictionary<uint, IBlockDevice> live, Func<uint, Extent, List<Extent>> untouched, int pieceBytes, ExtentSharing sharing)
{
    // The memory of undo records that wait for their commit: a punch of a terabyte goes through that of one commit.
    private readonly List<byte[]> rented = [];

    // Sectors touched by records of the batch in hand that are not in the index yet.
    private readonly PendingTouches pending = new();

    /// <summary>A new batch begins: everything durable is in the index.</summary>
    public void Begin() => pending.Clear();

    /// <summary>Every undo record made so far is committed: its memory is used again.</summary>
    public void GiveBack()
    {
        foreach (var buffer in rented) ArrayPool<byte>.Shared.Return(buffer);
        rented.Clear();
    }

#if SIMULATION_PLANTS
    /// <summary>The undo records made so far outlive the commit after them.</summary>
    public void Keep() => rented.Clear();

#endif
    /// <summary>The record, after the undo records that have to be durable before it may be applied. Old contents are read while this is enumerated.</summary>
    public IEnumerable<Record> Accompany(Record record)
    {
        var header = record.Header;
        if (header.Kind is RecordKind.Write or RecordKind.Zero or RecordKind.Punch)
        {
            var extent = new Extent(header.Offset, header.Length);
            var first = pending.Untouched(header.Disk, untouched(header.Disk, extent));
            pending.Add(header.Disk, extent);
#if SIMULATION_PLANTS
            if (VmRepl.Simulation.Plant.Is(VmRepl.Simulation.Plant.SkipPreImage)) first.Clear();
            if (VmRepl.Simulation.Plant.Is(VmRepl.Simulation.Plant.UndoForWholeExtent) && first.Count > 0) first = [extent];
#endif
            foreach (var undo in first.SelectMany(part => Capture(header, part))) yield return undo;
        }

        yield return record;
    }

    /// <summary>The most bytes of old contents that a record may need: what is allocated of its range.</summary>
    public (long Bytes, int Runs) MostFor(RecordHeader record)
    {
        // Cut where blocks begin and end, so that what lies between can be shared.
        if (record.Kind == RecordKind.Write) return (record.Length, record.Length > ExtentSharing.BytesMin ? 3 : 1);
        if (record.Kind is not (RecordKind.Zero or RecordKind.Punch)) return (0, 0);
        long bytes = 0;
        var runs = 0;
        foreach (var run in live[record.Disk].Map(record.Offset, record.Length))
        {
            if (run.HasData) bytes += run.Length;
            runs++;
        }

        return (bytes, runs);
    }

    /// <summary>Reads the old contents, following the allocation map: a hole is undone by a hole, and costs no payload.</summary>
    private IEnumerable<Record> Capture(RecordHeader record, Extent extent)
    {
        var disk = live[record.Disk];
        foreach (var run in disk.Map(extent.Offset, extent.Length))
        {
            // Sector granularity: a map may cut anywhere, undo may not. Data is rounded outwards, so no byte of it is taken for a hole.
            var from = run.HasData ? Sectors.AlignDown(run.Offset, Sectors.Size) : Sectors.AlignUp(run.Offset, Sectors.Size);
            var to = run.HasData ? Sectors.AlignUp(run.End, Sectors.Size) : Sectors.AlignDown(run.End, Sectors.Size);
            var part = Extent.FromEnds(from, Math.Max(from, to)).Intersect(extent);
            if (part.IsEmpty) continue;
            if (!run.HasData)
            {
                yield return Undo(record, part, RecordContent.Hole, default);
                continue;
            }

            for (var at = part.Offset; at < part.End;)
            {
                var length = sharing.NextPiece(record.Disk, at, part.End, pieceBytes);
                var buffer = ArrayPool<byte>.Shared.Rent(length);
                rented.Add(buffer);
                var old = buffer.AsMemory(0, length);
                // Read even where the extents will be shared: the record's checksums are those of the contents.
                disk.Read(at, old.Span);
                yield return Undo(record, new Extent(at, length), RecordContent.Payload, old);
                at += length;
            }
        }
    }

    private static Record Undo(RecordHeader record, Extent extent, RecordContent content, ReadOnlyMemory<byte> old) => Record.Create(
        new RecordHeader { Kind = RecordKind.Undo, Disk = record.Disk, Offset = extent.Offset, Length = extent.Length, Content = content, Undoes = record.Sequence }, old);
}
