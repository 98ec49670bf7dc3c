namespace VmRepl.Blocks.Tests;

[TestFixture]
public class ExtentSetTests
{
    private const int ModelBytes = 200;

    [Test]
    public void AnyOperations_AgainstABitmap_Agree([Range(1, 40)] int seed)
    {
        var random = new Random(seed);
        var set = new ExtentSet();
        var model = new bool[ModelBytes];
        for (var step = 0; step < 400; step++)
        {
            var extent = Any(random);
            var isAdded = random.Next(5) < 3;
            if (isAdded) set.Add(extent);
            else set.Remove(extent);
            model.AsSpan((int)extent.Offset, (int)extent.Length).Fill(isAdded);
            if (random.Next(100) == 0)
            {
                set.Clear();
                Array.Clear(model);
            }

            AssertSame(set, model, $"seed {seed}, step {step}");
            AssertAnswers(set, model, Any(random), $"seed {seed}, step {step}");
        }
    }

    [Test]
    public void SetOfExtents_InAnyOrder_IsTheSame([Range(1, 10)] int seed)
    {
        var random = new Random(seed);
        var extents = Enumerable.Range(0, 30).Select(_ => Any(random)).ToArray();
        var first = new ExtentSet(extents);
        random.Shuffle(extents);
        Assert.That(new ExtentSet(extents).Extents, Is.EqualTo(first.Extents));
    }

    [Test]
    public void ExtentsAtBothEndsOfTheNumbers_AddedAndRemoved_DoNotOverflow()
    {
        var set = new ExtentSet([new Extent(0, 1), new Extent(long.MaxValue - 1, 1)]);
        Assert.That(set.Gaps(new Extent(0, long.MaxValue)), Is.EqualTo(new[] { Extent.FromEnds(1, long.MaxValue - 1) }));
        set.Add(Extent.FromEnds(1, long.MaxValue - 1));
        Assert.That(set.Extents, Is.EqualTo(new[] { new Extent(0, long.MaxValue) }));
        Assert.That(set.Bytes, Is.EqualTo(long.MaxValue));
        set.Remove(new Extent(0, long.MaxValue));
        Assert.That((set.Count, set.Bytes), Is.EqualTo((0, 0L)));
    }

    private static Extent Any(Random random)
    {
        var offset = random.Next(ModelBytes + 1);
        // Short ones leave many pieces, long ones swallow many.
        var length = random.Next(4) == 0 ? random.Next(ModelBytes + 1 - offset) : random.Next(Math.Min(8, ModelBytes + 1 - offset));
        return new Extent(offset, length);
    }

    private static void AssertSame(ExtentSet set, bool[] model, string where)
    {
        Assert.That(set.Extents, Is.EqualTo(Runs(model, new Extent(0, ModelBytes), true)), where);
        Assert.That(set.Count, Is.EqualTo(set.Extents.Count), where);
        Assert.That(set.Bytes, Is.EqualTo(model.Count(bit => bit)), where);
    }

    private static void AssertAnswers(ExtentSet set, bool[] model, Extent asked, string where)
    {
        var bits = model.AsSpan((int)asked.Offset, (int)asked.Length);
        Assert.That(set.Contains(asked), Is.EqualTo(!bits.Contains(false)), $"{where}: contains {asked}");
        Assert.That(set.Overlaps(asked), Is.EqualTo(bits.Contains(true)), $"{where}: overlaps {asked}");
        Assert.That(set.Intersect(asked), Is.EqualTo(Runs(model, asked, true)), $"{where}: intersect {asked}");
        Assert.That(set.Gaps(asked), Is.EqualTo(Runs(model, asked, false)), $"{where}: gaps {asked}");
    }

    /// <summary>The longest runs of <paramref name="wanted"/> bits in the range.</summary>
    private static List<Extent> Runs(bool[] model, Extent within, bool wanted)
    {
        var runs = new List<Extent>();
        for (var at = within.Offset; at < within.End;)
        {
            var end = at;
            while (end < within.End && model[end] == wanted) end++;
            if (end > at) runs.Add(Extent.FromEnds(at, end));
            at = Math.Max(end, at + 1);
        }

        return runs;
    }
}
