using VmRepl.Journal.Index.Files;

namespace VmRepl.Journal.Tests.Index.Files;

public class MergePolicyTests
{
    private static readonly long[] Seven = [100, 100, 100, 100, 100, 100, 100];

    [Test]
    public void Policy_SevenOfOneSize_WaitsForTheEighth()
    {
        Assert.That(MergePolicy.Next([]), Is.Null);
        Assert.That(MergePolicy.Next(Seven), Is.Null);
        Assert.That(MergePolicy.Next([.. Seven, 90]), Is.EqualTo((0, 8)));
        Assert.That(MergePolicy.Next([800, .. Seven, 90]), Is.EqualTo((1, 8)), "not with a larger one");
        Assert.That(MergePolicy.Next([800, .. Seven]), Is.Null);
        Assert.That(MergePolicy.Next([0, 0, 0, 0, 0, 0, 0, 0]), Is.EqualTo((0, 8)), "empty ones too");
    }

    [Test]
    public void Policy_TwoTiersFull_MergesTheSmallOnesFirst()
    {
        var sizes = Enumerable.Repeat(800L, 8).Concat(Enumerable.Repeat(100L, 8)).ToList();
        Assert.That(MergePolicy.Next(sizes), Is.EqualTo((8, 8)));
    }

    [TestCase(1, 1)]
    [TestCase(2, 100)]
    public void Policy_LongRun_KeepsFewFilesAndCopiesLittle(int seed, int spread)
    {
        var random = new Random(seed);
        var sizes = new List<long>();
        long written = 0, copied = 0;
        var most = 0;
        for (var i = 0; i < 20_000; i++)
        {
            sizes.Add(1000 * random.Next(1, spread + 1));
            written += sizes[^1];
            while (MergePolicy.Next(sizes) is { } next)
            {
                var total = sizes.Skip(next.First).Take(next.Count).Sum();
                copied += total;
                sizes.RemoveRange(next.First, next.Count);
                sizes.Insert(next.First, total);
            }

            most = Math.Max(most, sizes.Count);
        }

        TestContext.Out.WriteLine($"{most} files at the most, {copied / (double)written:F1} copies of each byte");
        Assert.That(most, Is.LessThanOrEqualTo(50));
        Assert.That(copied / (double)written, Is.LessThan(7));
    }

    [Test]
    public void Policy_UnevenSizes_NeverPileUp()
    {
        var sizes = Enumerable.Range(0, 65).Select(i => 1L << (i % 2 == 0 ? 40 : i % 40)).ToList();
        Assert.That(MergePolicy.Next([.. Enumerable.Range(0, 60).Select(i => 1L << i)]), Is.Null, "each more than all before it");
        Assert.That(MergePolicy.Next(sizes), Is.Not.Null);
        var growing = Enumerable.Range(0, 65).Select(i => 1L << Math.Min(i, 55)).ToList();
        Assert.That(MergePolicy.Next(growing), Is.Not.Null);
    }
}
