using VmRepl.Journal.Index;
using VmRepl.Journal.Index.Files;

namespace VmRepl.Journal.Tests.Index.Files;

public class IndexFileSetTests
{
    private readonly IndexPageCache cache = new(IndexSample.CacheBytes);
    private readonly MemoryDirectory directory = new();

    [SetUp]
    public void Clear() => directory.DeleteTree();

    [Test]
    public void Choose_SeveralWidths_TakesTheWidestThatFollowOneAnother()
    {
        Make(1, 0, 2, 0);
        Make(2, 0, 3, 0);
        Make(1, 0, 3, 0);
        Make(3, 0, 4, 5);
        Make(4, 5, 4, 50);
        Make(5, 0, 5, 3);
        Make(7, 0, 8, 0);
        directory.Files.Add("spare-index-0000000001-0000000000-0000000009-0000000000.vri", new MemoryFile("x"));
        directory.Files.Add("index-1-2.vri", new MemoryFile("x"));
        directory.Files.Add("spare-segment-0000000001.vrj", new MemoryFile("x"));
        var set = Choose(1);
        Assert.That(Places(set), Is.EqualTo(new[] { (1, 0, 3, 0), (3, 0, 4, 5), (4, 5, 4, 50), (5, 0, 5, 3) }));
        Assert.That(set.End, Is.EqualTo(new CommitPlace(5, 3)));
        Assert.That(set.Unused.Keys.Order(StringComparer.Ordinal), Is.EqualTo(new[]
        {
            Name(1, 0, 2, 0), Name(2, 0, 3, 0), Name(7, 0, 8, 0), "spare-index-0000000001-0000000000-0000000009-0000000000.vri",
        }));
    }

    [Test]
    public void Choose_FirstSegmentsRetired_TakesAFileThatReachesBeyondThem()
    {
        Make(1, 0, 4, 0);
        Make(4, 0, 9, 0);
        Make(9, 0, 9, 2);
        Assert.That(Places(Choose(3)), Is.EqualTo(new[] { (1, 0, 4, 0), (4, 0, 9, 0), (9, 0, 9, 2) }));
        Assert.That(Places(Choose(4)), Is.EqualTo(new[] { (4, 0, 9, 0), (9, 0, 9, 2) }));
        var set = Choose(9);
        Assert.That(Places(set), Is.EqualTo(new[] { (9, 0, 9, 2) }));
        Assert.That(set.Unused[Name(1, 0, 4, 0)], Does.Contain("retired"));
        Assert.That(Places(Choose(10)), Is.Empty);
    }

    [Test]
    public void Choose_WidestIsDamaged_TakesNarrowerOnes()
    {
        Make(1, 0, 2, 0);
        Make(2, 0, 3, 0);
        Make(1, 0, 3, 0);
        directory.Files[Name(1, 0, 3, 0)].Bytes[20] ^= 1;
        var set = Choose(1);
        Assert.That(Places(set), Is.EqualTo(new[] { (1, 0, 2, 0), (2, 0, 3, 0) }));
        Assert.That(set.Unused.Keys, Is.EqualTo(new[] { Name(1, 0, 3, 0) }));
        Assert.That(set.Unused.Values.Single(), Does.Contain("does not verify"));
    }

    [Test]
    public void Choose_SegmentsThatDoNotFit_AreLeftOutWithTheirReason()
    {
        Make(1, 0, 2, 0);
        Make(1, 0, 3, 0);
        var set = Choose(1, s => s.Serial == 2 ? "another nonce" : null);
        Assert.That(Places(set), Is.EqualTo(new[] { (1, 0, 2, 0) }));
        Assert.That(set.Unused[Name(1, 0, 3, 0)], Is.EqualTo("another nonce"));
    }

    [Test]
    public void Choose_FileThatDoesNotGoOnWhereTheOneBeforeEnds_IsLeftOut()
    {
        Make(1, 0, 2, 0);
        Make(2, 0, 3, 0, s => s with { Header = s.Header with { Previous = 99 } });
        Assert.That(Places(Choose(1)), Is.EqualTo(new[] { (1, 0, 2, 0) }));
    }

    [Test]
    public void Choose_FileWithoutASegmentThatIsNeeded_IsLeftOut()
    {
        Make(1, 0, 4, 0, firstNeeded: 3);
        Assert.That(Places(Choose(2)), Is.Empty);
        Assert.That(Places(Choose(3)), Is.EqualTo(new[] { (1, 0, 4, 0) }));
    }

    private IndexFileSet Choose(ulong firstSerial, Func<CoveredSegment, string?>? whyNot = null)
    {
        var set = IndexFileSet.Choose(directory, firstSerial, whyNot ?? (_ => null), cache);
        foreach (var file in set.Files) file.Dispose();
        Assert.That(cache.UsedBytes, Is.Zero, "nothing is left open");
        return set;
    }

    private static string Name(ulong first, uint firstCommit, ulong end, uint endCommit) => IndexFileName.Of(new CommitPlace(first, firstCommit), new CommitPlace(end, endCommit));

    private static List<(int, int, int, int)> Places(IndexFileSet set) => [.. set.Files.Select(f => ((int)f.First.Serial, (int)f.First.Commit, (int)f.End.Serial, (int)f.End.Commit))];

    private void Make(ulong first, uint firstCommit, ulong end, uint endCommit, Func<CoveredSegment, CoveredSegment>? change = null, ulong firstNeeded = 0)
    {
        var layer = new ListLayer(new CommitPlace(first, firstCommit), new CommitPlace(end, endCommit));
        layer.Append(1, 0, 512, [IndexSample.Reference(Protocol.Records.RecordKind.Write, 5, 0, 512)], null);
        var source = new MergeSource(layer, [.. IndexSample.SegmentsOf(layer).Select(change ?? (s => s))], []);
        IndexSample.Merge(directory, [source], [1], new MergeBounds(0, firstNeeded), cache).Dispose();
    }
}
