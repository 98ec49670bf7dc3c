using System.Globalization;
using VmRepl.Blocks;
using VmRepl.Images.Opening;
using VmRepl.Images.Tests.Variants;

namespace VmRepl.Images.Tests.Vhdx;

/// <summary>Files that qemu-img made, read here: contents against its own raw conversion.</summary>
internal sealed class VhdxReadTests
{
    private const int MiB = 1 << 20;
    private readonly TestFolder folder = new();

    [OneTimeTearDown]
    public void RemoveFolder() => folder.Dispose();

    [Variant("VHDX", "dynamic and fixed, blocks of 1 to 256 MiB", Referee = "qemu-img")]
    [Test]
    public void Read_AFileOfQemu_IsItsRawConversion([Values("dynamic", "fixed")] string subformat, [Values("1M", "2M", "32M", "256M")] string blockSize)
    {
        ExternalTool.Require("qemu-img", "qemu-io");
        var path = Make(subformat, blockSize, "70M", "write -P 1 0 1000k", "write -P 2 33333k 4M", "write -P 3 69M 512", "write -z 34M 1M", "discard 36M 1M");
        using var image = DiskImages.Open(path);
        Assert.That(image.Format, Is.EqualTo(ImageFormat.Vhdx));
        Assert.That(image.SectorSize, Is.EqualTo(512));
        Assert.That(image.Description.Details["subformat"], Is.EqualTo(subformat));
        var expected = DiskContents.ReadByQemu(folder, "vhdx", path);
        DiskContents.RequireSame(DiskContents.ReadAll(image), expected);
        RequireMapHoldsEverything(image, expected);
        Assert.That(image.Check().Where(f => f.IsDamage), Is.Empty);
    }

    [Test]
    public void Map_OfADynamicFile_SaysDataOnlyWhereBlocksWereWritten()
    {
        ExternalTool.Require("qemu-img", "qemu-io");
        var path = Make("dynamic", "1M", "200M", "write -P 1 10M 2M", "write -P 2 100M 64k");
        using var image = DiskImages.Open(path);
        var runs = image.Map(0, image.Length).ToList();
        Assert.That(runs.Where(r => r.HasData).Select(r => r.Offset), Is.SupersetOf(new long[] { 10 * MiB, 100 * MiB }));
        Assert.That(runs.Where(r => r.HasData).Sum(r => r.Length), Is.InRange(2 * MiB + 65536, 3 * MiB));
        Assert.That(runs[0], Is.EqualTo(new MapExtent(0, 10 * MiB, BlockState.Zero)));
        Assert.That(runs[^1].State, Is.EqualTo(BlockState.Zero), "qemu-img makes new blocks ZERO");
        Assert.That(runs[^1].End, Is.EqualTo(200 * MiB));
    }

    [Variant("VHDX", "dynamic over several chunks", Referee = "qemu-io")]
    [Test]
    public void Read_ADiskOfManyChunks_FindsBlocksBehindTheBitmapEntries()
    {
        ExternalTool.Require("qemu-img", "qemu-io");
        var path = Make("dynamic", "1M", "20G", "write -P 1 4095M 2M", "write -P 2 8191M 2M", "write -P 3 20479M 1M");
        using var image = DiskImages.Open(path);
        foreach (var (mib, value) in new[] { (4095L, 1), (4096L, 1), (8192L, 2), (20479L, 3), (4097L, 0), (12288L, 0) })
        {
            var bytes = new byte[MiB];
            image.Read(mib * MiB, bytes);
            Assert.That(bytes.AsSpan().IndexOfAnyExcept((byte)value), Is.LessThan(0), string.Create(CultureInfo.InvariantCulture, $"at {mib} MiB"));
        }

        Assert.That(DiskContents.DataOf(image, 0, image.Length).Extents, Is.EqualTo(new[]
        {
            new Extent(4095L * MiB, 2 * MiB), new Extent(8191L * MiB, 2 * MiB), new Extent(20479L * MiB, MiB),
        }));
    }

    [Variant("VHDX", "a log of 1 to 128 MiB", Referee = "qemu-img")]
    [Test]
    public void Read_AFileWithALongLog_IsItsRawConversion([Values("1M", "16M", "128M")] string logSize)
    {
        ExternalTool.Require("qemu-img", "qemu-io");
        var path = folder.File($"log{logSize}.vhdx");
        ExternalTool.Run("qemu-img", "create", "-q", "-f", "vhdx", "-o", $"block_size=1M,log_size={logSize}", path, "20M");
        ExternalTool.Run("qemu-io", "-f", "vhdx", "-c", "write -P 1 3M 4M", path);
        using (var image = DiskImages.Open(path)) DiskContents.RequireSame(DiskContents.ReadAll(image), DiskContents.ReadByQemu(folder, "vhdx", path));
        if (logSize == "128M") Assert.That(() => DiskImages.Open(path, new ImageOpenOptions { Writable = true }), Throws.TypeOf<ImageFormatException>().With.Message.Contains("LogLength"));
    }

    [Test]
    public void Open_OnlyEmptyHead_IsProbedAndRefused()
    {
        var path = folder.File("head.vhdx");
        File.WriteAllBytes(path, "vhdxfile"u8.ToArray());
        Assert.That(() => DiskImages.Open(path), Throws.TypeOf<ImageFormatException>().With.Message.Contains("header 1"));
    }

    private string Make(string subformat, string blockSize, string size, params string[] commands)
    {
        var path = folder.File($"{Guid.NewGuid():n}.vhdx");
        ExternalTool.Run("qemu-img", "create", "-q", "-f", "vhdx", "-o", $"block_size={blockSize},subformat={subformat}", path, size);
        ExternalTool.Run("qemu-io", ["-f", "vhdx", .. commands.SelectMany(c => new[] { "-c", c }), path]);
        return path;
    }

    private static void RequireMapHoldsEverything(IDiskImage image, byte[] expected)
    {
        var at = 0L;
        foreach (var hole in DiskContents.DataOf(image, 0, image.Length).Gaps(new Extent(0, image.Length)))
        {
            Assert.That(Sectors.IsZero(expected.AsSpan((int)hole.Offset, (int)hole.Length)), $"{hole} is no data by the map");
            at += hole.Length;
        }

        Assert.That(at, Is.Positive);
    }
}
