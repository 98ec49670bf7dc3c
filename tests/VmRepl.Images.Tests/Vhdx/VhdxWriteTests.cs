using System.Buffers.Binary;
using VmRepl.Blocks;
using VmRepl.Images.Opening;
using VmRepl.Images.Tests.Variants;

namespace VmRepl.Images.Tests.Vhdx;

/// <summary>Files that are made here, judged by others.</summary>
internal sealed class VhdxWriteTests
{
    private const int MiB = 1 << 20;
    private readonly TestFolder folder = new();

    [OneTimeTearDown]
    public void RemoveFolder() => folder.Dispose();

    [Variant("VHDX", "dynamic, created and written", Referee = "qemu-img, 7-Zip, vhdiinfo", IsWritten = true)]
    [Test]
    public void Create_ThenWritten_IsReadByQemu7ZipAndLibvhdi()
    {
        ExternalTool.Require("qemu-img", "7zz", "vhdiinfo");
        var path = folder.File("new.vhdx");
        var expected = Exercise(path, 70 * MiB, 512);
        DiskContents.RequireSame(DiskContents.ReadByQemu(folder, "vhdx", path), expected, "qemu");
        DiskContents.RequireSame(DiskContents.ReadBy7Zip(folder, path), expected, "7-Zip");
        Assert.That(ExternalTool.Run("qemu-img", "check", "-f", "vhdx", path), Does.Contain("No errors"));
        Assert.That(ExternalTool.Run("vhdiinfo", path), Does.Contain("Dynamic").And.Contain($"({expected.Length} bytes)"));
    }

    [Variant("VHDX", "dynamic with 4096-byte sectors", Referee = "7-Zip", IsWritten = true)]
    [Test]
    public void Create_With4096ByteSectors_IsReadBy7Zip()
    {
        ExternalTool.Require("7zz");
        var path = folder.File("4k.vhdx");
        var expected = Exercise(path, 70 * MiB, 4096);
        DiskContents.RequireSame(DiskContents.ReadBy7Zip(folder, path), expected, "7-Zip");
    }

    /// <summary>A region that a later program keeps in the file, and of which it says that others need not know it, was taken for free space and given to blocks.</summary>
    [Test]
    public void Write_ToAFileWithARegionThatIsNotKnown_LeavesItAsItIs()
    {
        var path = folder.File("region.vhdx");
        using (var image = DiskImages.Create(path, ImageFormat.Vhdx, 64 * MiB)) image.Write(0, DiskContents.Random(1, MiB));
        var at = Sectors.AlignUp(new FileInfo(path).Length, MiB);
        var region = DiskContents.Random(2, 2 * MiB);
        byte[] bytes = [.. File.ReadAllBytes(path)];
        Array.Resize(ref bytes, (int)at + region.Length);
        region.CopyTo(bytes, at);
        foreach (var table in new[] { 0x30000, 0x40000 })
        {
            bytes[table + 8]++;
            var entry = bytes.AsSpan(table + 16 + (2 * 32), 32);
            Guid.NewGuid().TryWriteBytes(entry);
            BinaryPrimitives.WriteInt64LittleEndian(entry[16..], at);
            BinaryPrimitives.WriteInt32LittleEndian(entry[24..], region.Length);
        }

        new VhdxForge(bytes).SealRegionTables();
        File.WriteAllBytes(path, bytes);
        var disk = DiskContents.Random(3, 64 * MiB);
        using (var image = DiskImages.Open(path, new ImageOpenOptions { Writable = true }))
        {
            Assert.That(image.Check(), Is.Empty, "the region is no lost space");
            image.Write(0, disk);
        }

        DiskContents.RequireSame(File.ReadAllBytes(path).AsSpan((int)at, region.Length).ToArray(), region, "the region");
        using var opened = DiskImages.Open(path);
        var read = new byte[disk.Length];
        opened.Read(0, read);
        DiskContents.RequireSame(read, disk, "the disk");
    }

    [Test]
    public void Create_OfABigDisk_IsThinAndReadable([Values(1L << 40, 64L << 40)] long length)
    {
        ExternalTool.Require("qemu-img");
        var path = folder.File($"big{length}.vhdx");
        using (var image = DiskImages.Create(path, ImageFormat.Vhdx, length))
        {
            image.Write(length - 512, DiskContents.Random(1, 512));
            image.Write(length / 2, DiskContents.Random(2, 4096));
            image.Flush();
            Assert.That(image.Description.ClusterSize, Is.EqualTo(Math.Max(MiB, length >> 20)));
        }

        Assert.That(new FileInfo(path).Length, Is.LessThan(160L * MiB));
        Assert.That(ExternalTool.Run("qemu-img", "check", "-f", "vhdx", path), Does.Contain("No errors"));
        using var opened = DiskImages.Open(path);
        var bytes = new byte[512];
        opened.Read(length - 512, bytes);
        DiskContents.RequireSame(bytes, DiskContents.Random(1, 512));
        Assert.That(DiskContents.DataOf(opened, 0, length).Extents, Has.Count.EqualTo(2));
    }

    [Test]
    public void Punch_OfWholeBlocks_GivesTheirSpaceBackAndUsesItAgain()
    {
        var path = folder.File("punch.vhdx");
        using var image = DiskImages.Create(path, ImageFormat.Vhdx, 64 * MiB);
        image.Write(0, DiskContents.Random(1, 8 * MiB));
        image.Flush();
        var length = new FileInfo(path).Length;
        for (var round = 0; round < 5; round++)
        {
            image.Punch(round * 8 * MiB, 8 * MiB);
            image.Flush();
            image.Write((round + 1) * 8 * MiB, DiskContents.Random(round, 4096));
            image.Write(((round + 1) * 8 * MiB) + (7 * MiB), DiskContents.Random(round, 4096));
            image.Flush();
        }

        Assert.That(new FileInfo(path).Length, Is.EqualTo(length));
        var expected = new byte[64 * MiB];
        DiskContents.Random(4, 4096).CopyTo(expected, 40 * MiB);
        DiskContents.Random(4, 4096).CopyTo(expected, 47 * MiB);
        DiskContents.RequireSame(DiskContents.ReadAll(image), expected);
        Assert.That(image.Check().Where(f => f.IsDamage), Is.Empty);
    }

    [Variant("VHDX", "dynamic and fixed of QEMU, written to", Referee = "qemu-img", IsWritten = true)]
    [Test]
    public void Write_ToAFileOfQemu_KeepsTheRestAndIsReadByQemu([Values("dynamic", "fixed")] string subformat)
    {
        ExternalTool.Require("qemu-img", "qemu-io");
        var path = folder.File($"qemu-{subformat}.vhdx");
        ExternalTool.Run("qemu-img", "create", "-q", "-f", "vhdx", "-o", $"block_size=1M,subformat={subformat}", path, "20M");
        ExternalTool.Run("qemu-io", "-f", "vhdx", "-c", "write -P 7 0 10M", path);
        var expected = new byte[20 * MiB];
        expected.AsSpan(0, 10 * MiB).Fill(7);
        Guid before, after;
        using (var reader = DiskImages.Open(path)) before = Guid.Parse(reader.Description.Details["data-write-guid"]);
        using (var image = DiskImages.Open(path, new ImageOpenOptions { Writable = true }))
        {
            var random = DiskContents.Random(5, 3 * MiB);
            image.Write((8 * MiB) + 100, random);
            random.CopyTo(expected, (8 * MiB) + 100);
            image.Punch(2 * MiB, 3 * MiB);
            expected.AsSpan(2 * MiB, 3 * MiB).Clear();
            image.Flush();
        }

        using (var reader = DiskImages.Open(path))
        {
            after = Guid.Parse(reader.Description.Details["data-write-guid"]);
            DiskContents.RequireSame(DiskContents.ReadAll(reader), expected);
        }

        Assert.That(after, Is.Not.EqualTo(before), "a child of the former contents must notice");
        DiskContents.RequireSame(DiskContents.ReadByQemu(folder, "vhdx", path), expected, "qemu");
        Assert.That(ExternalTool.Run("qemu-img", "check", "-f", "vhdx", path), Does.Contain("No errors"));
    }

    [Test]
    public void Write_BesideReadersAndFlushes_LosesNothing()
    {
        var path = folder.File("parallel.vhdx");
        byte[] expected;
        using (var image = DiskImages.Create(path, ImageFormat.Vhdx, 36 * MiB)) expected = ParallelWriters.Write(image);

        using var opened = DiskImages.Open(path);
        DiskContents.RequireSame(DiskContents.ReadAll(opened), expected);
        Assert.That(opened.Check(), Is.Empty);
    }

    /// <summary>Writes, overwrites, zeroes and punches a new disk at random, reopening half-way; returns what it must hold.</summary>
    private static byte[] Exercise(string path, int length, int sectorSize)
    {
        var expected = new byte[length];
        var random = new Random(42);
        using (var image = DiskImages.Create(path, ImageFormat.Vhdx, length, new ImageCreateOptions { SectorSize = sectorSize })) Change(image);
        using (var image = DiskImages.Open(path, new ImageOpenOptions { Writable = true, Format = ImageFormat.Vhdx }))
        {
            Change(image);
            DiskContents.RequireSame(DiskContents.ReadAll(image), expected);
            Assert.That(image.SectorSize, Is.EqualTo(sectorSize));
        }

        return expected;

        void Change(IDiskImage image)
        {
            for (var i = 0; i < 40; i++)
            {
                var at = random.Next(length);
                var count = random.Next(1, Math.Min(length - at, i % 4 == 0 ? 5 * MiB : 50_000) + 1);
                if (i % 3 == 2)
                {
                    if (i % 2 == 0) image.Punch(at, count);
                    else image.Zero(at, count);
                    expected.AsSpan(at, count).Clear();
                }
                else
                {
                    var bytes = DiskContents.Random(i, count);
                    image.Write(at, bytes);
                    bytes.CopyTo(expected, at);
                }

                if (i % 7 == 0) image.Flush();
            }
        }
    }
}
