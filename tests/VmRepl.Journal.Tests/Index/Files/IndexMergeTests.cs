using VmRepl.Blocks;
using VmRepl.Journal.Index;
using VmRepl.Journal.Index.Files;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Tests.Index.Files;

public class IndexMergeTests
{
    [Test]
    public void IndexMerge_RandomNeighboursOfARandomJournal_AnswerAsTheRecordsDo([Range(1, 40)] int seed)
    {
        var random = new Random(seed);
        var journal = new SectorJournal(random, seed % 4 == 0 ? 1L << 34 : 512, 20 + random.Next(60));
        var layers = Cut(journal, random);
        var directory = new MemoryDirectory();
        var cache = new IndexPageCache(IndexSample.CacheBytes);
        Check(journal, layers, $"seed {seed}, before any merge");
        for (var round = 0; round < 6 && layers.Count > 0; round++)
        {
            var first = random.Next(layers.Count);
            var count = random.Next(1, Math.Min(5, layers.Count - first) + 1);
            var sources = layers.GetRange(first, count);
            // What was void at some earlier time, or is now; a file holds for its own time and later.
            var held = sources.Max(l => l is IndexFile f ? f.Start : 0);
            var bounds = journal.Bounds[random.Next(journal.Bounds.Count)];
            if (bounds.Start < held) bounds = journal.Present;
            var merged = IndexSample.Merge(directory, [.. sources.Select(IndexSample.Source)], SectorJournal.Disks, bounds, cache, random.Next(1, 50));
            foreach (var file in sources.OfType<IndexFile>()) file.Dispose();
            layers.RemoveRange(first, count);
            layers.Insert(first, merged);
            Assert.That(merged.Start, Is.LessThanOrEqualTo(journal.Present.Start));
            CheckCompact(merged, $"seed {seed}, round {round}");
            Check(journal, layers, $"seed {seed}, round {round}, {first}+{count} of {layers.Count + count - 1}, {bounds}");
        }

        foreach (var file in layers.OfType<IndexFile>()) file.Dispose();
        Assert.That(cache.UsedBytes, Is.Zero);
        Assert.That(directory.ListFiles().Where(IndexFileName.IsSpare), Is.Empty);
    }

    [Test]
    public void IndexMerge_WhatIsVoid_IsLeftOut()
    {
        var layer = new ListLayer(new CommitPlace(1, 0), new CommitPlace(4, 0));
        RecordRef Write(ulong n, long at, ulong serial) => IndexSample.Reference(RecordKind.Write, n, at, 512, serial);
        layer.Append(1, 0, 512, [Write(1, 0, 1), Write(5, 0, 2), Write(9, 0, 3)], IndexSample.Reference(RecordKind.Undo, 5, 0, 512, 2));
        layer.Append(1, 512, 1024, [Write(4, 512, 1)], IndexSample.Reference(RecordKind.HandDown, 3, 512, 512, 2));
        layer.Append(1, 1024, 1536, [Write(5, 1024, 2)], IndexSample.Reference(RecordKind.HandDown, 3, 1024, 512, 1));
        layer.Append(1, 1536, 2048, [Write(6, 1536, 2)], IndexSample.Reference(RecordKind.Undo, 6, 1536, 512, 2));
        layer.Append(1, 2048, 2560, [Write(7, 2048, 1)], null);
        var facts = new[]
        {
            IndexSample.Fact(RecordKind.Bookmark, 7, new CommitPlace(1, 5), "retired"), IndexSample.Fact(RecordKind.Bookmark, 5, new CommitPlace(2, 0), "void"),
            IndexSample.Fact(RecordKind.Checkpoint, 0, new CommitPlace(2, 1)), IndexSample.Fact(RecordKind.Bookmark, 8, new CommitPlace(2, 2), "kept"),
            IndexSample.Fact(RecordKind.Metadata, 0, new CommitPlace(2, 3), undoes: 4), IndexSample.Fact(RecordKind.Metadata, 0, new CommitPlace(2, 4), undoes: 5),
            IndexSample.Fact(RecordKind.Checkpoint, 0, new CommitPlace(3, 0)), IndexSample.Fact(RecordKind.ResyncEnd, 9, new CommitPlace(3, 1)),
        };
        using var file = IndexSample.Merge(new MemoryDirectory(), [new MergeSource(layer, IndexSample.SegmentsOf(layer), facts)], [1], new MergeBounds(5, 2), new IndexPageCache(IndexSample.CacheBytes));
        var runs = new List<LayerRun>();
        file.Find(1, Extent.FromEnds(0, long.MaxValue), runs);
        Assert.That(runs.Select(r => (r.Start, r.Oldest, r.Newest, r.Versions, r.HasUndo)), Is.EqualTo(new[]
        {
            (0L, 9ul, 9ul, 1, false), (512, 0ul, 0ul, 0, true), (1536, 6ul, 6ul, 1, true),
        }));
        Assert.That(file.Undo(runs[1]).Number, Is.EqualTo(3));
        Assert.That(file.ReadFacts().Select(f => (f.Header.Kind, f.Place)), Is.EqualTo(new[]
        {
            (RecordKind.Bookmark, new CommitPlace(2, 2)), (RecordKind.Metadata, new CommitPlace(2, 4)), (RecordKind.ResyncEnd, new CommitPlace(3, 1)), (RecordKind.Checkpoint, new CommitPlace(3, 0)),
        }));
        Assert.That(file.Segments.Select(s => s.Serial), Is.EqualTo(new ulong[] { 2, 3 }));
        Assert.That((file.Start, file.FirstNeeded), Is.EqualTo((5ul, 2ul)));
    }

    [Test]
    public void IndexMerge_HandDownForALaterStart_MakesTheFileCountFromThereOnly()
    {
        var layer = new ListLayer(new CommitPlace(1, 0), new CommitPlace(2, 0));
        layer.Append(1, 0, 512, [IndexSample.Reference(RecordKind.Write, 9, 0, 512)], IndexSample.Reference(RecordKind.HandDown, 6, 0, 512));
        var (directory, cache) = (new MemoryDirectory(), new IndexPageCache(IndexSample.CacheBytes));
        using var file = IndexSample.Merge(directory, [IndexSample.Source(layer)], [1], new MergeBounds(5, 1), cache);
        Assert.That(file.Start, Is.EqualTo(6));
        var next = new ListLayer(new CommitPlace(2, 0), new CommitPlace(3, 0));
        using var again = IndexSample.Merge(directory, [IndexSample.Source(file), IndexSample.Source(next)], [1], new MergeBounds(5, 1), cache);
        Assert.That(again.Start, Is.EqualTo(6), "a file made of it as well");
    }

    [Test]
    public void IndexMerge_Steps_StayWithinTheirBudget()
    {
        var layer = IndexSample.RandomLayer(new Random(3), 3000, 4096, 500);
        var directory = new MemoryDirectory();
        var cache = new IndexPageCache(IndexSample.CacheBytes);
        using var source = IndexSample.Write(directory, layer, cache);
        var read = directory.Files.Values.Single();
        foreach (var budget in new[] { 1, 200, 5000 })
        {
            using var merge = new IndexMerge(directory, [IndexSample.Source(source)], layer.Disks, new MergeBounds(0, 0), cache);
            var steps = 0;
            var written = 0L;
            while (true)
            {
                read.Reads = 0;
                var isFinished = merge.Step(budget);
                steps++;
                Assert.That(read.Reads, Is.LessThanOrEqualTo(4 + (budget / 8)), $"step {steps}");
                if (isFinished) break;
                var length = directory.Files.Where(f => IndexFileName.IsSpare(f.Key)).Sum(f => f.Value.Length);
                // A chunk of each kind at the most beside what the budget is for: an entry has 64 bytes, a run with its fence and filter less.
                Assert.That(length - written, Is.LessThanOrEqualTo((3 * IndexLayout.PieceBytes) + (budget * 128L)), $"step {steps}");
                written = length;
            }

            Assert.That(steps, Is.GreaterThan(layer.RunCount / budget));
            using var file = IndexFile.Open(directory, merge.Name, cache);
            foreach (var disk in layer.Disks) IndexFileTests.AssertSame(file, layer, disk, Extent.FromEnds(0, long.MaxValue), int.MaxValue);
        }
    }

    [Test]
    public void IndexMerge_GivenUpAtAnyStep_LeavesNothingAndGivesTheMemoryBack()
    {
        var layer = IndexSample.RandomLayer(new Random(4), 300, 4096, 5);
        var directory = new MemoryDirectory();
        var cache = new IndexPageCache(IndexSample.CacheBytes);
        for (var steps = 0; ; steps++)
        {
            var merge = new IndexMerge(directory, [IndexSample.Source(layer)], layer.Disks, new MergeBounds(0, 0), cache);
            var isFinished = false;
            for (var i = 0; i < steps && !isFinished; i++) isFinished = merge.Step(37);
            if (isFinished) break;
            merge.Abandon();
            Assert.That(directory.ListFiles(), Is.Empty, $"after {steps} steps");
            Assert.That(cache.UsedBytes, Is.Zero, $"after {steps} steps");
        }

        Assert.That(directory.ListFiles().Select(n => IndexFileName.TryParse(n, out _, out _)), Is.EqualTo(new[] { true }));
    }

    [Test]
    public void IndexMerge_WhileItRuns_LeavesTheStoresPagesInTheCache()
    {
        var layer = IndexSample.RandomLayer(new Random(5), 3000, 4096, 3);
        var directory = new MemoryDirectory();
        var cache = new IndexPageCache(IndexSample.CacheBytes);
        using var source = IndexSample.Write(directory, layer, cache);
        var before = cache.UsedBytes;
        using var file = IndexSample.Merge(directory, [IndexSample.Source(source)], layer.Disks, new MergeBounds(0, 0), cache);
        file.Dispose();
        Assert.That(cache.UsedBytes, Is.EqualTo(before), "nothing was kept, and everything given back");
    }

    [Test]
    public void IndexMerge_OfLayersWithAGap_IsRefused()
    {
        var layers = new[] { new ListLayer(new CommitPlace(1, 0), new CommitPlace(1, 4)), new ListLayer(new CommitPlace(1, 5), new CommitPlace(2, 0)) };
        Assert.That(() => new IndexMerge(new MemoryDirectory(), [.. layers.Select(IndexSample.Source)], [], default, new IndexPageCache(0)), Throws.ArgumentException);
    }

    private static List<IndexLayer> Cut(SectorJournal journal, Random random)
    {
        var layers = new List<IndexLayer>();
        for (var at = new CommitPlace(1, 0); at < journal.End;)
        {
            var commits = ((int)(at.Serial - 1) * SectorJournal.CommitsPerSegment) + (int)at.Commit + random.Next(1, 10);
            var end = new CommitPlace(1 + (ulong)(commits / SectorJournal.CommitsPerSegment), (uint)(commits % SectorJournal.CommitsPerSegment));
            if (end > journal.End) end = journal.End;
            layers.Add(journal.Layer(at, end));
            at = end;
        }

        return layers;
    }

    private static void Check(SectorJournal journal, List<IndexLayer> layers, string message)
    {
        var bounds = journal.Present;
        var runs = new List<LayerRun>();
        foreach (var disk in SectorJournal.Disks)
        {
            for (long sector = 0; sector < SectorJournal.Sectors; sector++)
            {
                for (var point = bounds.Start; point <= journal.Newest; point += 1 + ((journal.Newest - bounds.Start) / 8))
                {
                    var touched = false;
                    RecordRef? version = null, undo = null;
                    foreach (var layer in Enumerable.Reverse(layers))
                    {
                        runs.Clear();
                        layer.Find(disk, new Extent(sector * journal.Unit, 512), runs);
                        if (runs.Count == 0) continue;
                        var run = runs.Single();
                        touched |= run.Newest > point;
                        if (version is null && run.Versions > 0 && run.Oldest <= point && layer.NewestAt(run, point) is var v && v.Number > bounds.Start) version = v;
                        if (undo is null && run.HasUndo && layer.Undo(run) is var u && u.Serial >= bounds.FirstNeeded && (u.Kind == RecordKind.HandDown ? u.Number <= bounds.Start : u.Number > bounds.Start)) undo = u;
                    }

                    var where = $"{message}: disk {disk}, sector {sector}, point {point}";
                    Assert.That(touched, Is.EqualTo(journal.IsTouchedAfter(disk, sector, point)), where);
                    var source = version ?? (touched ? undo ?? throw new AssertionException($"{where}: no undo") : null);
                    if (source is { } record && record.Serial < bounds.FirstNeeded) Assert.Fail($"{where}: lies in a segment that is gone");
                    var found = source is { } s ? journal.Read(s, sector) : journal.ContentsAt(disk, sector, journal.Newest);
                    Assert.That(found, Is.EqualTo(journal.ContentsAt(disk, sector, point)), where);
                }
            }
        }
    }

    /// <summary>No two neighbouring runs of a merged file have the same history.</summary>
    private static void CheckCompact(IndexFile file, string message)
    {
        foreach (var disk in SectorJournal.Disks)
        {
            var runs = new List<LayerRun>();
            file.Find(disk, Extent.FromEnds(0, long.MaxValue), runs);
            for (var i = 1; i < runs.Count; i++)
            {
                if (runs[i - 1].End == runs[i].Start) Assert.That(History(file, runs[i - 1]), Is.Not.EqualTo(History(file, runs[i])), $"{message}: {runs[i]}");
            }
        }
    }

    private static List<RecordRef> History(IndexFile file, LayerRun run)
    {
        var history = Enumerable.Range(0, run.Versions).Select(i => file.Version(run, i)).ToList();
        if (run.HasUndo) history.Add(file.Undo(run));
        return history;
    }
}
