namespace VmRepl.Blocks.Tests;

[TestFixture]
public class SectorsTests
{
    [TestCase(0, 512, 0, 0)]
    [TestCase(1, 512, 0, 512)]
    [TestCase(511, 512, 0, 512)]
    [TestCase(512, 512, 512, 512)]
    [TestCase(4097, 4096, 4096, 8192)]
    [TestCase((1L << 62) + 1, 1L << 40, 1L << 62, (1L << 62) + (1L << 40))]
    public void Align_AnyValue_RoundsToTheUnit(long value, long unit, long down, long up)
    {
        Assert.That(Sectors.AlignDown(value, unit), Is.EqualTo(down));
        Assert.That(Sectors.AlignUp(value, unit), Is.EqualTo(up));
        Assert.That(Sectors.IsAligned(value, unit), Is.EqualTo(down == value));
    }

    [Test]
    public void AlignUp_BeyondTheNumbers_IsRefused() => Assert.That(() => Sectors.AlignUp(long.MaxValue, 512), Throws.InstanceOf<OverflowException>());

    [Test]
    public void IsZero_OneByteSetAnywhere_IsFalse()
    {
        var block = new byte[600];
        Assert.That(Sectors.IsZero(block), Is.True);
        Assert.That(Sectors.IsZero([]), Is.True);
        for (var at = 0; at < block.Length; at++)
        {
            block[at] = 1;
            Assert.That(Sectors.IsZero(block), Is.False, $"byte {at}");
            block[at] = 0;
        }
    }
}
