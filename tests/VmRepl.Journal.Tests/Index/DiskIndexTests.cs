using VmRepl.Blocks;
using VmRepl.Journal.Index;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Tests.Index;

public class DiskIndexTests
{
    private const int SectorCount = 200;

    [Test]
    public void DiskIndex_RandomHistory_AnswersAsOneListForEachSectorDoes([Range(1, 20)] int seed)
    {
        var random = new Random(seed);
        var index = new DiskIndex();
        var versions = Enumerable.Range(0, SectorCount).Select(_ => new List<StoredRecord>()).ToArray();
        var undo = new StoredRecord?[SectorCount];
        ulong sequence = 0, start = 0;
        for (var step = 0; step < 300; step++)
        {
            var extent = RandomExtent(random);
            var untouched = index.Untouched(extent);
            Assert.That(untouched.SelectMany(SectorsOf), Is.EqualTo(SectorsOf(extent).Where(s => versions[s].Count == 0)), $"untouched, step {step}");
            sequence++;
            foreach (var part in untouched)
            {
                var old = MakeRecord(RecordKind.Undo, sequence, part);
                index.SetUndo(old);
                foreach (var sector in SectorsOf(part)) undo[sector] = old;
            }

            var written = MakeRecord(RecordKind.Write, sequence, extent);
            index.AddVersion(written);
            foreach (var sector in SectorsOf(extent)) versions[sector].Add(written);

            if (random.Next(20) == 0)
            {
                var before = start;
                start += (ulong)random.NextInt64((long)(sequence - start));
                var retired = versions.SelectMany(v => v).Where(v => v.Sequence > before && v.Sequence <= start).Distinct().Select(v => v.Extent);
                index.Retire(retired, start);
                for (var sector = 0; sector < SectorCount; sector++) Retire(versions[sector], ref undo[sector], start);
            }

            var point = start + (ulong)random.NextInt64((long)(sequence - start) + 1);
            var range = RandomExtent(random);
            var found = index.Resolve(range, point);
            Assert.That(found.SelectMany(f => SectorsOf(f.Range)), Is.EqualTo(SectorsOf(range)), "the answer covers the range exactly");
            foreach (var source in found)
            {
                foreach (var sector in SectorsOf(source.Range))
                {
                    var expected = versions[sector].Count == 0 ? null : versions[sector].LastOrDefault(v => v.Sequence <= point) ?? undo[sector];
                    Assert.That(source.Record, Is.SameAs(expected), $"sector {sector} at {point}, step {step}");
                }
            }
        }
    }

    [Test]
    public void DropUndoWithoutVersions_UndoOfALostRecord_LeavesNothing()
    {
        var index = new DiskIndex();
        index.SetUndo(MakeRecord(RecordKind.Undo, 5, new Extent(0, 4096)));
        index.AddVersion(MakeRecord(RecordKind.Write, 6, new Extent(2048, 512)));
        index.DropUndoWithoutVersions();
        Assert.That(index.RunCount, Is.EqualTo(1));
        Assert.That(index.Untouched(new Extent(0, 4096)), Is.EqualTo(new[] { new Extent(0, 2048), new Extent(2560, 1536) }));
    }

    private static void Retire(List<StoredRecord> versions, ref StoredRecord? undo, ulong start)
    {
        if (versions.LastOrDefault(v => v.Sequence <= start) is not { } newest) return;
        versions.RemoveAll(v => v.Sequence <= start);
        undo = versions.Count == 0 ? null : newest;
    }

    private static StoredRecord MakeRecord(RecordKind kind, ulong sequence, Extent extent) => new(
        new RecordHeader { Kind = kind, Sequence = kind == RecordKind.Undo ? 0 : sequence, Undoes = sequence, Offset = extent.Offset, Length = extent.Length }, null!, -1, 0, default);

    private static Extent RandomExtent(Random random)
    {
        var first = random.Next(SectorCount);
        return new Extent(first * Sectors.Size, random.Next(1, Math.Min(40, SectorCount - first) + 1) * Sectors.Size);
    }

    private static IEnumerable<int> SectorsOf(Extent extent) => Enumerable.Range((int)(extent.Offset / Sectors.Size), (int)(extent.Length / Sectors.Size));
}
