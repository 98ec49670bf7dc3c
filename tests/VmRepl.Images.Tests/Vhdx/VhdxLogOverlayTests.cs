using VmRepl.Blocks;
using VmRepl.Images.Vhdx;

namespace VmRepl.Images.Tests.Vhdx;

internal sealed class VhdxLogOverlayTests
{
    private const int Sector = 4096, Sectors = 64;

    /// <summary>Against writing the changes one behind the other.</summary>
    [Test]
    public void Resolve_ChangesOverEachOther_IsWhatTheLastOfThemLeaves([Range(0, 60)] int seed)
    {
        var random = new Random(seed);
        var changes = new List<VhdxLogChange>();
        var expected = new int?[Sectors];
        for (var i = 0; i < random.Next(0, 60); i++)
        {
            var first = random.Next(Sectors);
            var count = random.Next(3) == 0 ? 1 : random.Next(1, Sectors - first + 1);
            var isData = random.Next(2) == 0;
            if (isData) count = 1;
            changes.Add(new VhdxLogChange((ulong)(first * Sector), (ulong)(count * Sector), isData ? BitConverter.GetBytes(i) : null));
            for (var at = first; at < first + count; at++) expected[at] = isData ? i : -1;
        }

        var found = new int?[Sectors];
        long end = 0;
        foreach (var (range, sector) in VhdxLogOverlay.Resolve(changes))
        {
            Assert.That(range.Offset, Is.GreaterThanOrEqualTo(end), "in order, and none over another");
            Assert.That(sector is null || range.Length == Sector);
            end = range.End;
            for (var at = range.Offset; at < range.End; at += Sector) found[at / Sector] = sector is null ? -1 : BitConverter.ToInt32(sector);
        }

        Assert.That(found, Is.EqualTo(expected));
    }

    /// <summary>As many as are replayed, from the end of the file to its start: put into a list one by one each would move all others.</summary>
    [Test]
    public void Resolve_AHundredThousandChangesBackwards_ComesToTheirOwnRanges()
    {
        var changes = Enumerable.Range(0, 128 << 10).Reverse().Select(i => new VhdxLogChange((ulong)i * 2 * Sector, Sector, null)).ToList();
        var zeros = new ExtentSet();
        foreach (var (range, _) in VhdxLogOverlay.Resolve(changes)) zeros.Add(range);
        Assert.That(zeros.Count, Is.EqualTo(changes.Count));
        Assert.That(zeros.Bytes, Is.EqualTo((long)changes.Count * Sector));
    }
}
