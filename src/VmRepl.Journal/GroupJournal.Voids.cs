using VmRepl.Blocks;
using VmRepl.Journal.Index;
using VmRepl.Journal.Segments;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal;

/// <content>
/// Void copies. What a retirement hands down lies at the journal's newest end, and stays there until its own segment is retired; but it is needed only until the record whose undo it is leaves the range,
/// which for a sector that is written again and again is soon. Its place in the file is then given back to the volume, and does not count against the journal's capacity.
/// Order: a copy is void from the checkpoint on that moves the start past the record; its place goes at the retirement after that one, so that a checkpoint lost with a flush does not cost what it made void.
/// </content>
public sealed partial class GroupJournal
{
    private const int VoidChunk = RecordLimits.ChecksumChunkBytes;

    // Found void, and still there: the checkpoint is young, or somebody reads the segment.
    private List<(SegmentFile Segment, Extent Place)> voids = [];

    // The volume takes no parts of files back.
    private bool hasNoHoles;
    private bool isTailOlder;

    /// <summary>The parts of a record that are read as of some point of the range; what is left of a hand-down may be gone.</summary>
    internal List<Extent> NeededParts(uint disk, RecordRef record)
    {
        lock (indexGate) return NeededParts(disk, record, record.Extent, position.Start);
    }

    private List<Extent> NeededParts(uint disk, RecordRef record, Extent range, ulong start) =>
        [.. index.Resolve(disk, range, start).Where(s => IsIn(s, record)).Select(s => s.Range)];

    private static bool IsIn(ContentSource source, RecordRef record) => source.Record is { } found && found.Serial == record.Serial && found.HeaderOffset == record.HeaderOffset;

    /// <summary>What nobody needs any more once the range starts at <paramref name="start"/>, of what was handed down for the sectors that the segment to be retired touches.</summary>
    private List<(SegmentFile Segment, Extent Place)> FindVoids(SegmentFile oldest, Dictionary<uint, ExtentSet> touched, ulong start)
    {
        var found = new List<(SegmentFile, Extent)>();
        if (hasNoHoles) return found;
        foreach (var (disk, set) in touched)
        {
            foreach (var extent in set.Extents)
            {
                lock (indexGate)
                {
                    foreach (var source in index.Resolve(disk, extent, position.Start))
                    {
                        if (source.Record is not { Kind: RecordKind.HandDown, Content: RecordContent.Payload } record || record.Serial == oldest.Serial) continue;
                        var segment = SegmentOf(record);
                        // What stands among the records of a small commit is not worth a hole.
                        if (record.PayloadOffset < segment.PayloadStart || !Sectors.IsAligned(record.PayloadOffset, SegmentLayout.PayloadAlignment)) continue;
                        found.AddRange(PlacesOf(record, source.Range, part => NeededParts(disk, record, part, start)).Select(place => (segment, place)));
                    }
                }
            }
        }

        return found;
    }

    /// <summary>The whole chunks of a record's payload that meet a range of the disk and of which nothing is needed: a chunk is verified as a whole.</summary>
    private static IEnumerable<Extent> PlacesOf(RecordRef record, Extent range, Func<Extent, List<Extent>> neededOf)
    {
        var chunks = Widen(record, range);
#if SIMULATION_PLANTS
        // What shares a chunk with what is void goes with it.
        if (VmRepl.Simulation.Plant.Is(VmRepl.Simulation.Plant.GiveBackNeeded)) neededOf = _ => [];
#endif
        var needed = neededOf(new Extent(record.Offset + chunks.Offset, Math.Min(chunks.End, record.PayloadLength) - chunks.Offset)).ConvertAll(part => Widen(record, part));
        var at = chunks.Offset;
        foreach (var part in needed.Append(new Extent(chunks.End, 0)))
        {
            // Behind the payload's end its padding goes with its last chunk.
            if (part.Offset > at) yield return Extent.FromEnds(record.PayloadOffset + at, record.PayloadOffset + part.Offset);
            at = Math.Max(at, part.End);
        }
    }

    /// <summary>The chunks that a range of the disk meets, as a range of the payload.</summary>
    private static Extent Widen(RecordRef record, Extent range) =>
        Extent.FromEnds(Sectors.AlignDown(range.Offset - record.Offset, VoidChunk), Sectors.AlignUp(range.End - record.Offset, VoidChunk));

    /// <summary>Gives back what was found void at an earlier retirement and nobody can be reading.</summary>
    private void GiveBackVoids()
    {
        if (voids.Count == 0) return;
        List<(SegmentFile Segment, Extent Place)> due, later;
        lock (indexGate)
        {
            // Whoever begins to read later reads as of a point that does not need it.
            voids.RemoveAll(v => v.Segment.Serial < segments[0].Serial);
            (due, later) = ([.. voids.Where(v => !v.Segment.HasReaders)], [.. voids.Where(v => v.Segment.HasReaders)]);
        }

        voids = later;
        foreach (var (segment, place) in due)
        {
            try
            {
                if (!segment.TryPunch(place))
                {
                    hasNoHoles = true;
                    voids = [];
                    return;
                }

                Counters.VoidBytes += place.Length;
            }
            catch (IOException)
            {
                // A full volume may lack the block that a hole needs to be noted in. It costs room until the segment goes, and nothing that anybody reads.
            }
        }
    }

    /// <summary>At opening for writing: what was given back before, and which version the newest segment has.</summary>
    private void LookAtSegments()
    {
        isTailOlder = segments.Count > 0 && segments[^1].Lend(SegmentHeader.IsOfOlderVersion);
        foreach (var segment in segments.SkipLast(1)) segment.NoteAllocated(directory.AllocatedBytes(SegmentLayout.FileName(segment.Serial)));
    }
}
