namespace VmRepl.Blocks.Tests;

[TestFixture]
public class ExtentTests
{
    [TestCase(-1, 1)]
    [TestCase(0, -1)]
    [TestCase(1, long.MaxValue)]
    [TestCase(long.MaxValue, 1)]
    public void Extent_OutOfBounds_IsRefused(long offset, long length) => Assert.That(() => new Extent(offset, length), Throws.InstanceOf<ArgumentOutOfRangeException>());

    [Test]
    public void Extent_UpToTheLastByte_DoesNotOverflow()
    {
        var whole = new Extent(0, long.MaxValue);
        Assert.That(whole.End, Is.EqualTo(long.MaxValue));
        Assert.That(whole.Contains(new Extent(long.MaxValue, 0)), Is.True);
    }

    [Test]
    public void FromEnds_EndBeforeStart_IsRefused() => Assert.That(() => Extent.FromEnds(5, 4), Throws.InstanceOf<ArgumentOutOfRangeException>());

    [Test]
    public void EveryRelation_AgainstAllSmallExtents_AgreesWithTheBytes()
    {
        var all = (from offset in Enumerable.Range(0, 7) from length in Enumerable.Range(0, 5) select new Extent(offset, length)).ToArray();
        foreach (var a in all)
            foreach (var b in all)
            {
                var common = Bytes(a).Intersect(Bytes(b)).ToArray();
                Assert.That(a.Overlaps(b), Is.EqualTo(common.Length > 0), $"{a} overlaps {b}");
                var intersection = a.Intersect(b);
                Assert.That(Bytes(intersection), Is.EqualTo(common), $"{a} and {b}");
                if (intersection.IsEmpty) Assert.That(intersection.Offset, Is.EqualTo(Math.Max(a.Offset, b.Offset)));
                if (!b.IsEmpty) Assert.That(a.Contains(b), Is.EqualTo(common.Length == b.Length), $"{a} contains {b}");
                var order = a.Offset != b.Offset ? a.Offset - b.Offset : a.Length - b.Length;
                Assert.That(new[] { a < b, a > b, a <= b, a >= b }, Is.EqualTo(new[] { order < 0, order > 0, order <= 0, order >= 0 }));
            }
    }

    private static IEnumerable<long> Bytes(Extent extent) => Enumerable.Range(0, (int)extent.Length).Select(i => extent.Offset + i);
}
