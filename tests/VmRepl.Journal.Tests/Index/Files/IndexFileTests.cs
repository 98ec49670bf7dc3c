using VmRepl.Blocks;
using VmRepl.Journal.Index;
using VmRepl.Journal.Index.Files;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Tests.Index.Files;

public class IndexFileTests
{
    [TestCase(1, 1, 512, 3)]
    [TestCase(2, 400, 512, 200)]
    [TestCase(3, 300, 4096, 5)]
    [TestCase(4, 300, 1L << 35, 9)]
    [TestCase(5, 2000, 4096, 2)]
    public void IndexFile_RandomLayer_AnswersAsTheLayerDoes(int seed, int runs, long unit, int versionsMax)
    {
        var layer = IndexSample.RandomLayer(new Random(seed), runs, unit, versionsMax);
        using var file = IndexSample.Write(new MemoryDirectory(), layer, new IndexPageCache(IndexSample.CacheBytes));
        Assert.That((file.First, file.End, file.RunCount, file.NewestSequence), Is.EqualTo((layer.First, layer.End, layer.RunCount, layer.NewestSequence)));
        Assert.That(file.HasFilters, Is.True);
        foreach (var disk in new uint[] { 0, 1, 2, 4, 7, 8 })
        {
            var bounds = layer.Entries.Where(e => e.Disk == disk).SelectMany(e => new[] { e.Start, e.End }).Distinct().Order().ToList();
            var random = new Random(seed);
            // Each boundary from both sides, then ranges over several runs.
            foreach (var at in bounds)
            {
                AssertSame(file, layer, disk, new Extent(at, 512), int.MaxValue);
                if (at > 0) AssertSame(file, layer, disk, new Extent(at - 512, 512), int.MaxValue);
                if (random.Next(8) == 0) AssertSame(file, layer, disk, new Extent(at, random.Next(1, 30) * unit), random.Next(1, 40));
            }

            AssertSame(file, layer, disk, Extent.FromEnds(0, long.MaxValue), int.MaxValue);
            AssertSame(file, layer, disk, Extent.FromEnds(0, long.MaxValue), 90);
        }
    }

    [Test]
    public void IndexFile_LongHistory_IsFoundAtEveryPoint()
    {
        var layer = new ListLayer(new CommitPlace(1, 0), new CommitPlace(2, 0));
        var versions = Enumerable.Range(1, 1000).Select(i => IndexSample.Reference(RecordKind.Write, (ulong)i * 2, 0, 4096)).ToList();
        layer.Append(1, 0, 4096, [IndexSample.Reference(RecordKind.Write, 1, 0, 4096), .. versions], IndexSample.Reference(RecordKind.Undo, 1, 0, 4096));
        using var file = IndexSample.Write(new MemoryDirectory(), layer, new IndexPageCache(IndexSample.CacheBytes));
        var runs = new List<LayerRun>();
        file.Find(1, new Extent(512, 512), runs);
        Assert.That(runs, Has.Count.EqualTo(1));
        for (ulong point = 1; point < 2010; point++) Assert.That(file.NewestAt(runs[0], point), Is.EqualTo(layer.Entries[0].Versions.Last(v => v.Number <= point)), $"point {point}");
    }

    [Test]
    public void IndexFile_RangesThatItDoesNotHave_AreMostlyAnsweredWithoutAPage()
    {
        var layer = new ListLayer(new CommitPlace(1, 0), new CommitPlace(2, 0));
        var random = new Random(6);
        var blocks = Enumerable.Range(0, 20_000).Select(_ => random.NextInt64(0, 1 << 22)).ToHashSet();
        foreach (var block in blocks.Order()) layer.Append(1, block * 4096, (block + 1) * 4096, [IndexSample.Reference(RecordKind.Write, (ulong)block + 1, block * 4096, 4096)], null);
        var directory = new MemoryDirectory();
        // A cache without a page to spare once fences and filters are in it: every page is a read.
        using var written = IndexSample.Write(directory, layer, new IndexPageCache(IndexSample.CacheBytes));
        var cache = new IndexPageCache(1 << 20);
        using var file = IndexFile.Open(directory, IndexFileName.Of(layer.First, layer.End), cache);
        cache.Reserve(cache.CapBytes - (cache.CapBytes / 4) - cache.ReservedBytes);
        Assert.That(file.HasFilters, Is.True);
        var runs = new List<LayerRun>();
        var reads = directory.Files.Values.Single();
        reads.Reads = 0;
        var asked = 0;
        for (var i = 0; i < 20_000; i++)
        {
            var block = random.NextInt64(0, 1 << 22);
            if (blocks.Contains(block)) continue;
            asked++;
            file.Find(1, new Extent(block * 4096, 4096), runs);
        }

        Assert.That(runs, Is.Empty);
        Assert.That(reads.Reads, Is.LessThan(asked / 50), $"of {asked}");
        cache.Release(cache.CapBytes / 4);
    }

    [Test]
    public void IndexFile_MemoryTaken_DropsTheFilterAndStillAnswers()
    {
        var layer = IndexSample.RandomLayer(new Random(8), 500, 4096, 3);
        var cache = new IndexPageCache(1 << 20);
        using var file = IndexSample.Write(new MemoryDirectory(), layer, cache);
        Assert.That(file.HasFilters, Is.True);
        var before = cache.ReservedBytes;
        cache.Reserve(cache.CapBytes - before);
        Assert.That(file.HasFilters, Is.False);
        Assert.That(cache.ReservedBytes, Is.LessThan(cache.CapBytes), "the filter's memory is given back");
        AssertSame(file, layer, 4, Extent.FromEnds(0, long.MaxValue), int.MaxValue);
        cache.Release(cache.CapBytes - before);
        file.Dispose();
        Assert.That(cache.UsedBytes, Is.Zero);
    }

    [Test]
    public void IndexFile_SegmentsAndFacts_ComeBackAsTheyWere()
    {
        var layer = new ListLayer(new CommitPlace(3, 2), new CommitPlace(900, 4));
        layer.Append(1, 0, 512, [IndexSample.Reference(RecordKind.Write, 5, 0, 512)], null);
        var facts = new List<IndexFact>();
        for (ulong i = 1; i < 2000; i++) facts.Add(IndexSample.Fact(RecordKind.Bookmark, i, new CommitPlace(3, (uint)i), new string((char)('a' + (i % 26)), (int)(i % 90))));
        facts.Add(IndexSample.Fact(RecordKind.Metadata, 3000, new CommitPlace(4, 0), payload: new byte[9000]));
        facts.Add(IndexSample.Fact(RecordKind.Metadata, 3001, new CommitPlace(4, 0), payload: new byte[RecordLimits.MaxPayloadBytes]));
        facts.Add(IndexSample.Fact(RecordKind.Checkpoint, 0, new CommitPlace(5, 1)));
        var directory = new MemoryDirectory();
        using var file = IndexSample.Write(directory, layer, new IndexPageCache(IndexSample.CacheBytes), facts);
        Assert.That(file.Segments, Is.EqualTo(IndexSample.SegmentsOf(layer)));
        Assert.That(directory.ListFiles(), Is.EqualTo(new[] { IndexFileName.Of(layer.First, layer.End) }));
        var read = file.ReadFacts().ToList();
        Assert.That(read, Has.Count.EqualTo(facts.Count));
        for (var i = 0; i < facts.Count; i++)
        {
            Assert.That(Essence(read[i]), Is.EqualTo(Essence(facts[i])), $"fact {i}");
            Assert.That(read[i].EncodedHeader.ToArray(), Is.EqualTo(facts[i].EncodedHeader.ToArray()));
            Assert.That(read[i].Checksums.ToArray(), Is.EqualTo(facts[i].Checksums.ToArray()));
        }
    }

    [Test]
    public void IndexFile_OfNothing_AnswersNothing()
    {
        var layer = new ListLayer(new CommitPlace(1, 0), new CommitPlace(1, 1));
        using var file = IndexSample.Write(new MemoryDirectory(), layer, new IndexPageCache(IndexSample.CacheBytes));
        AssertSame(file, layer, 1, Extent.FromEnds(0, long.MaxValue), int.MaxValue);
        Assert.That(file.ReadFacts(), Is.Empty);
    }

    [Test]
    public void IndexFileWriter_GivenUp_LeavesNothing()
    {
        var directory = new MemoryDirectory();
        var cache = new IndexPageCache(IndexSample.CacheBytes);
        var writer = IndexFileWriter.Create(directory, new CommitPlace(1, 0), new CommitPlace(2, 0), cache);
        writer.BeginRun(1, 0, 512);
        writer.AddVersion(IndexSample.Reference(RecordKind.Write, 5, 0, 512));
        writer.EndRun(null);
        Assert.That(directory.ListFiles(), Has.Count.EqualTo(1));
        writer.Abandon();
        Assert.That(directory.ListFiles(), Is.Empty);
        Assert.That(cache.UsedBytes, Is.Zero);
    }

    [Test]
    public void IndexFileWriter_OutOfOrder_Refuses()
    {
        using var writer = IndexFileWriter.Create(new MemoryDirectory(), new CommitPlace(1, 0), new CommitPlace(2, 0), new IndexPageCache(IndexSample.CacheBytes));
        writer.BeginRun(2, 512, 1024);
        Assert.That(() => writer.EndRun(null), Throws.InvalidOperationException, "no history");
        Assert.That(() => writer.AddVersion(IndexSample.Reference(RecordKind.Write, 5, 0, 512)), Throws.InvalidOperationException, "of other sectors");
        writer.AddVersion(IndexSample.Reference(RecordKind.Write, 5, 512, 512));
        Assert.That(() => writer.AddVersion(IndexSample.Reference(RecordKind.Write, 5, 512, 512)), Throws.InvalidOperationException, "not newer");
        writer.EndRun(null);
        Assert.That(() => writer.BeginRun(2, 512, 1024), Throws.InvalidOperationException, "overlaps");
        Assert.That(() => writer.BeginRun(1, 4096, 8192), Throws.InvalidOperationException, "an earlier disk");
    }

    internal static void AssertSame(IndexLayer file, ListLayer layer, uint disk, Extent range, int most)
    {
        var (found, expected) = (new List<LayerRun>(), new List<LayerRun>());
        file.Find(disk, range, found, most);
        layer.Find(disk, range, expected, most);
        var message = $"disk {disk}, {range}";
        Assert.That(found.ConvertAll(r => r with { Token = 0 }), Is.EqualTo(expected.ConvertAll(r => r with { Token = 0 })), message);
        for (var i = 0; i < found.Count; i++)
        {
            if (found[i].HasUndo) Assert.That(file.Undo(found[i]), Is.EqualTo(layer.Undo(expected[i])), message);
            for (var v = 0; v < found[i].Versions; v++)
            {
                var version = file.Version(found[i], v);
                if (version != layer.Version(expected[i], v)) Assert.Fail($"{message}: version {v} of {found[i]}");
                if (v % 7 == 0 && file.NewestAt(found[i], version.Number) != version) Assert.Fail($"{message}: newest at {version.Number} of {found[i]}");
            }
        }
    }

    private static (RecordKind, ulong, CommitPlace, uint, uint, int, uint, ulong, long) Essence(IndexFact f) =>
        (f.Header.Kind, f.Header.Sequence, f.Place, f.HeaderOffset, f.PayloadOffset, f.PayloadLength, f.HeaderChecksum, f.FollowedBefore.Sequence, f.FollowedBefore.TimeUs);
}
