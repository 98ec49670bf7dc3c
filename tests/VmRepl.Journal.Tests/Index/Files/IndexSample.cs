using VmRepl.Blocks.Files;
using VmRepl.Journal.Index;
using VmRepl.Journal.Index.Files;
using VmRepl.Journal.Points;
using VmRepl.Journal.Segments;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Tests.Index.Files;

/// <summary>References, segments and facts that fit a segment, and files made of them.</summary>
internal static class IndexSample
{
    public const long CacheBytes = 4 << 20;

    public static RecordRef Reference(RecordKind kind, ulong number, long offset, long length, ulong serial = 1, uint headerOffset = 4096, RecordContent? content = null)
    {
        var what = content ?? kind switch
        {
            RecordKind.Zero => RecordContent.Zero,
            RecordKind.Punch => RecordContent.Hole,
            _ => length <= RecordLimits.MaxPayloadBytes ? RecordContent.Payload : RecordContent.Hole,
        };
        var isStored = what == RecordContent.Payload;
        return new RecordRef
        {
            Kind = kind,
            Number = number,
            Content = what,
            Offset = offset,
            Length = length,
            Serial = serial,
            HeaderOffset = headerOffset,
            HeaderLength = 40,
            PayloadOffset = isStored ? 8192u : 0,
            PayloadLength = isStored ? (int)length : 0,
            FirstChecksum = isStored ? (uint)number * 7919 : 0,
        };
    }

    /// <summary>A segment of which that many commits are covered.</summary>
    public static CoveredSegment Segment(ulong serial, uint commits) =>
        new(new SegmentHeader(serial, serial * 1_000_003, 1 << 26, 1_700_000_000_000_000 + (long)serial, (uint)serial - 1), commits, 8192, 1 << 25, (uint)serial, serial * 100, (long)serial * 1000, 3);

    public static IndexFact Fact(RecordKind kind, ulong sequence, CommitPlace place, string? name = null, byte[]? payload = null, ulong undoes = 0)
    {
        var attributes = name is null ? null : new Dictionary<string, string> { ["name"] = name };
        var record = Record.Create(new RecordHeader { Kind = kind, Sequence = sequence, TimeUs = sequence == 0 ? 0 : 5, Undoes = undoes, Attributes = attributes }, payload ?? []);
        return IndexFact.Of(record, place, 4096 + (uint)sequence, payload is null ? 0u : 65536, new RecordMoment(sequence / 2, (long)sequence * -10));
    }

    /// <summary>Segments from the layer's first place to its end.</summary>
    public static List<CoveredSegment> SegmentsOf(IndexLayer layer)
    {
        var segments = new List<CoveredSegment>();
        for (var serial = layer.First.Serial; serial < layer.End.Serial || (serial == layer.End.Serial && layer.End.Commit > 0); serial++)
            segments.Add(Segment(serial, serial == layer.End.Serial ? layer.End.Commit : 50));
        return segments;
    }

    /// <summary>Writes a layer out as it is.</summary>
    public static IndexFile Write(IHostDirectory directory, ListLayer layer, IndexPageCache cache, IEnumerable<IndexFact>? facts = null)
    {
        var writer = IndexFileWriter.Create(directory, layer.First, layer.End, cache);
        foreach (var entry in layer.Entries)
        {
            writer.BeginRun(entry.Disk, entry.Start, entry.End);
            foreach (var version in entry.Versions) writer.AddVersion(version);
            writer.EndRun(entry.Undo);
        }

        writer.EndRuns();
        foreach (var fact in facts ?? []) writer.AddFact(fact);
        foreach (var _ in writer.Finish(SegmentsOf(layer), 0, 0))
        {
        }

        return IndexFile.Open(directory, writer.Name, cache);
    }

    public static MergeSource Source(IndexLayer layer) => layer is IndexFile file ? MergeSource.Of(file) : new MergeSource(layer, SegmentsOf(layer), []);

    public static IndexFile Merge(IHostDirectory directory, IReadOnlyList<MergeSource> sources, IEnumerable<uint> disks, MergeBounds bounds, IndexPageCache cache, int budget = 100)
    {
        using var merge = new IndexMerge(directory, sources, disks, bounds, cache);
        while (!merge.Step(budget))
        {
        }

        return IndexFile.Open(directory, merge.Name, cache);
    }

    /// <summary>Random disjoint runs in order, with small and huge extents, short and long histories.</summary>
    public static ListLayer RandomLayer(Random random, int runs, long unit, int versionsMax)
    {
        var layer = new ListLayer(new CommitPlace(1, 0), new CommitPlace(4, 7));
        ulong number = 0;
        for (uint disk = 1; disk <= 7; disk += 3)
        {
            long at = random.Next(0, 3) * unit;
            for (var i = 0; i < runs; i++)
            {
                var (start, end) = (at, at + (random.Next(1, 9) * unit));
                var versions = new List<RecordRef>();
                var count = random.Next(5) == 0 ? random.Next(0, versionsMax + 1) : random.Next(0, 3);
                for (var v = 0; v < count; v++)
                {
                    number += (ulong)random.Next(1, 4);
                    versions.Add(Reference((RecordKind)random.Next(1, 4), number, start, end - start, (ulong)random.Next(1, 4), content: end - start > RecordLimits.MaxPayloadBytes ? RecordContent.Zero : null));
                }

                RecordRef? undo = versions.Count == 0 || random.Next(2) == 0 ? Reference(random.Next(2) == 0 ? RecordKind.Undo : RecordKind.HandDown, number + 1, start, end - start) : null;
                layer.Append(disk, start, end, versions, undo);
                at = end + (random.Next(0, 3) * unit);
            }
        }

        return layer;
    }
}
