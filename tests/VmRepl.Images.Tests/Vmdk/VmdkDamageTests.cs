using VmRepl.Fuzz.Trials;
using VmRepl.Images.Opening;

namespace VmRepl.Images.Tests.Vmdk;

/// <summary>Damaged files: contents or a typed error, never a crash, a hang or a huge allocation.</summary>
internal sealed class VmdkDamageTests
{
    private const int MiB = 1 << 20;
    private readonly TestFolder folder = new();
    private byte[] pristine = [];

    [OneTimeSetUp]
    public void MakeFile()
    {
        var path = folder.File("pristine.vmdk");
        using (var image = DiskImages.Create(path, ImageFormat.Vmdk, 6 * MiB)) image.Write(100_000, DiskContents.Random(1, 700_000));
        pristine = File.ReadAllBytes(path);
    }

    [OneTimeTearDown]
    public void RemoveFolder() => folder.Dispose();

    [Test]
    public void Open_CutAtAnyPlace_IsRefusedOrSoundUpToTheCut()
    {
        for (var cut = 0; cut < pristine.Length; cut += cut < 1024 ? 37 : 5003) RequireContentsOrTypedError(pristine[..cut]);
    }

    [Test]
    public void Open_WithFlippedBits_IsRefusedOrRead()
    {
        var random = new Random(3);
        // Header, descriptor, and the two directories with their first tables.
        for (var i = 0; i < 800; i++)
        {
            var bytes = (byte[])pristine.Clone();
            var at = random.Next(3) switch { 0 => random.Next(80), 1 => 512 + random.Next(400), _ => (21 * 512) + random.Next(6000) };
            bytes[at] ^= (byte)(1 << random.Next(8));
            RequireContentsOrTypedError(bytes);
        }
    }

    [Test]
    public void Check_OfGrainsOneOverTheOther_FindsThem_AndWritingIsRefused()
    {
        var bytes = (byte[])pristine.Clone();
        // The primary table follows the primary directory, of one sector, whose place the header gives.
        var table = (int)(BitConverter.ToInt64(bytes, 56) + 1) * 512;
        bytes.AsSpan(table + (2 * 4), 4).CopyTo(bytes.AsSpan(table + (3 * 4)));
        var path = folder.File("overlap.vmdk");
        File.WriteAllBytes(path, bytes);
        using (var image = DiskImages.Open(path)) Assert.That(image.Check().Single(f => f.IsDamage).Message, Does.Contain("overlaps another grain"));
        Assert.That(() => DiskImages.Open(path, new ImageOpenOptions { Writable = true }), Throws.TypeOf<ImageFormatException>());
        DiskContents.RequireSame(File.ReadAllBytes(path), bytes);
    }

    /// <summary>Found by the fuzzer: a writer writes whole tables wherever the redundant directory has them, over the descriptor or over another table.</summary>
    [TestCase(1U)]
    [TestCase(0U)]
    [TestCase(23U)]
    [TestCase(0x7FFFFFFFU)]
    public void Write_WithATablePlacedOverSomethingElse_IsRefused(uint sector)
    {
        var bytes = (byte[])pristine.Clone();
        var redundant = (int)BitConverter.ToInt64(bytes, 48) * 512;
        Assert.That(BitConverter.ToUInt32(bytes, redundant), Is.EqualTo(22), "the first redundant table follows header, descriptor and directory");
        // One sector on it lies half over its neighbour in the file, the primary directory; 0 is where the header is, and no table at all.
        BitConverter.GetBytes(sector).CopyTo(bytes, redundant);
        var path = folder.File("tables.vmdk");
        File.WriteAllBytes(path, bytes);
        if (sector == 0)
        {
            using var image = DiskImages.Open(path);
            Assert.That(image.Check().Where(f => f.IsDamage), Is.Empty, "a table that is missing in the second copy lies over nothing");
            return;
        }

        using (var image = DiskImages.Open(path)) Assert.That(image.Check().Any(f => f.IsDamage));
        Assert.That(() => DiskImages.Open(path, new ImageOpenOptions { Writable = true }), Throws.TypeOf<ImageFormatException>());
        DiskContents.RequireSame(File.ReadAllBytes(path), bytes);
    }

    /// <summary>Found by the fuzzer: looking for overlaps took four bytes for each grain's worth of file, holes included.</summary>
    [Test]
    public void Check_OfALongFileOfHoles_HoldsLittle()
    {
        var path = folder.File("long.vmdk");
        File.WriteAllBytes(path, pristine);
        using (var file = File.OpenWrite(path)) file.SetLength(3L << 40);
        using var image = DiskImages.Open(path);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.That(image.Check().Where(f => f.IsDamage), Is.Empty);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(16L << 20));
    }

    /// <summary>Found by the fuzzer: a directory of millions of entries, all of them a hole, was gone through one by one for each question.</summary>
    [Test]
    public void Map_OfADirectoryOfHoles_TakesNoTime()
    {
        var path = folder.File("capacity.vmdk");
        var bytes = (byte[])pristine.Clone();
        BitConverter.GetBytes(1L << 41).CopyTo(bytes, 12);
        File.WriteAllBytes(path, bytes);
        using (var file = File.OpenWrite(path)) file.SetLength(1L << 40);
        using var image = DiskImages.Open(path);
        var began = ThreadClock.Now;
        var before = GC.GetAllocatedBytesForCurrentThread();
        // Where the longer directory would be stand tables and grains first, and what they name is wrong; from 32 TiB on it is a hole.
        Assert.That(() => image.Map(1L << 45, image.Length - (1L << 45)).Count(), Is.EqualTo(1));
        Assert.That(ThreadClock.Now - began, Is.LessThan(TimeSpan.FromSeconds(2)));
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(400L * MiB));
    }

    private void RequireContentsOrTypedError(byte[] bytes)
    {
        var path = folder.File("damaged.vmdk");
        File.WriteAllBytes(path, bytes);
        var began = ThreadClock.Now;
        var before = GC.GetTotalAllocatedBytes();
        try
        {
            using var image = DiskImages.Open(path, new ImageOpenOptions { Format = ImageFormat.Vmdk });
            var piece = new byte[64 << 10];
            for (long at = 0; at < Math.Min(image.Length, 16 * MiB); at += piece.Length) image.Read(at, piece.AsSpan(0, (int)Math.Min(piece.Length, image.Length - at)));
            Assert.That(image.Map(0, Math.Min(image.Length, 1L << 30)).Count(), Is.Positive);
            Assert.That(image.Check(), Is.Not.Null);
        }
        catch (Exception e) when (e is ImageFormatException or ReferenceRefusedException)
        {
            // The other allowed outcomes.
        }

        Assert.That(ThreadClock.Now - began, Is.LessThan(TimeSpan.FromSeconds(5)));
        Assert.That(GC.GetTotalAllocatedBytes() - before, Is.LessThan(400L * MiB));
    }
}
