using System.Globalization;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Images.LiveContainer;
using Container = VmRepl.Images.LiveContainer.LiveContainer;

namespace VmRepl.Images.Tests.LiveContainer;

internal sealed class LiveContainerTests
{
    private const int MiB = 1 << 20;
    private readonly TestFolder folder = new();

    [OneTimeTearDown]
    public void RemoveFolder() => folder.Dispose();

    [TestCase(100L * MiB, 512)]
    [TestCase((33L * MiB) + 512, 512)]
    [TestCase(512, 512)]
    [TestCase((5L * MiB) + 4096, 4096)]
    public void Create_ThenOpened_IsAnEmptyDiskOfTheSameSize(long length, int sectorSize)
    {
        var (directory, name) = Place();
        using (var made = Container.Create(directory, name, length, sectorSize, Guid.NewGuid))
            Assert.That(made.Length, Is.EqualTo(length));
        using var opened = Container.Open(directory, name, HostFileAccess.Read);
        Assert.That(opened.Length, Is.EqualTo(length));
        Assert.That(opened.SectorSize, Is.EqualTo(sectorSize));
        Assert.That(opened.IsReadOnly);
        Assert.That(opened.PayloadOffset % MiB, Is.Zero);
        DiskContents.RequireSame(DiskContents.ReadAll(opened), new byte[length]);
        Assert.That(DiskContents.DataOf(opened, 0, length).Bytes, Is.Zero);
    }

    /// <summary>What is written in one call lies in the host's cache in pieces as large.</summary>
    [Test]
    public void Write_Large_GoesInPiecesOf16KiB()
    {
        var file = new MemoryFile("live", new byte[4 * MiB]);
        using var image = new LiveImageFile(file, MiB, 2 * MiB, 512, 0);
        var writes = 0;
        file.BeforeChange = () => writes++;
        var data = new byte[100 << 10];
        new Random(3).NextBytes(data);
        image.Write(1536, data);
        Assert.That(writes, Is.EqualTo(7), "six whole pieces' worth, cut where pieces begin");
        DiskContents.RequireSame(DiskContents.ReadAll(image), [.. new byte[1536], .. data, .. new byte[(2 * MiB) - 1536 - data.Length]]);
    }

    [Test]
    public void Punch_RestOfTheBlocksIsZeros_FreesTheBlocks()
    {
        var (directory, name) = Place();
        const int length = MiB + 1024;
        using var image = Container.Create(directory, name, length, 512, Guid.NewGuid);
        var expected = new byte[length];
        foreach (var (at, fill) in new[] { (8192, (byte)1), (16_384 + 512, (byte)2), (32_768, (byte)3), (length - 512, (byte)4) })
        {
            image.Write(at, Enumerable.Repeat(fill, 512).ToArray());
            expected.AsSpan(at, 512).Fill(fill);
        }

        // The second block loses all that is in it; the first one keeps its sector, and so does the third.
        image.Punch(8704, 32_768 - 8704);
        expected.AsSpan(16_384 + 512, 512).Clear();
        DiskContents.RequireSame(DiskContents.ReadAll(image), expected);
        Assert.That(image.Map(0, MiB).Where(r => r.HasData).Select(r => (r.Offset, r.Length)), Is.EqualTo(new[] { (8192L, 4096L), (32_768L, 4096L) }));
        image.Punch(8192, 512);
        image.Punch(32_768 + 512, 512);
        expected.AsSpan(8192, 512).Clear();
        DiskContents.RequireSame(DiskContents.ReadAll(image), expected);
        Assert.That(image.Map(0, MiB).Where(r => r.HasData).Select(r => r.Offset), Is.EqualTo(new[] { 32_768L }));
    }

    [Test]
    public void Payload_WrittenAndPunched_IsTheSameThroughVhdxRawAndVmdk()
    {
        ExternalTool.Require("qemu-img", "7zz", "vhdiinfo", "vmdkinfo");
        var (directory, name) = Place();
        const int length = (70 * MiB) + 1024;
        var expected = Fill(directory, name, length, 512);
        var vhdx = Path.Combine(directory.Path, name);
        var vmdk = Path.ChangeExtension(vhdx, ".vmdk");

        long payloadOffset;
        using (var image = Container.Open(directory, name, HostFileAccess.Read))
        {
            payloadOffset = image.PayloadOffset;
            DiskContents.RequireSame(DiskContents.ReadAll(image), expected);
        }

        DiskContents.RequireSame(DiskContents.ReadByQemu(folder, "vhdx", vhdx), expected, "qemu, vhdx");
        DiskContents.RequireSame(DiskContents.ReadByQemu(folder, "vmdk", vmdk), expected, "qemu, vmdk");
        DiskContents.RequireSame(DiskContents.ReadBy7Zip(folder, vhdx), expected, "7-Zip, vhdx");
        var raw = folder.File("through-raw");
        ExternalTool.Run("qemu-img", "convert", "--image-opts", "-O", "raw", string.Create(CultureInfo.InvariantCulture, $"driver=raw,offset={payloadOffset},size={length},file.driver=file,file.filename={vhdx}"), raw);
        DiskContents.RequireSame(File.ReadAllBytes(raw), expected, "qemu, raw at an offset");
        Assert.That(ExternalTool.Run("qemu-img", "check", "-f", "vhdx", vhdx), Does.Contain("No errors"));
        Assert.That(ExternalTool.Run("vhdiinfo", vhdx), Does.Contain("Fixed").And.Contain($"({length} bytes)"));
        Assert.That(ExternalTool.Run("vmdkinfo", vmdk), Does.Contain("Monolithic flat").IgnoreCase);
    }

    [Test]
    public void Payload_With4096ByteSectors_IsReadBy7Zip()
    {
        ExternalTool.Require("7zz");
        var (directory, name) = Place();
        var expected = Fill(directory, name, 40 * MiB, 4096);
        DiskContents.RequireSame(DiskContents.ReadBy7Zip(folder, Path.Combine(directory.Path, name)), expected);
        Assert.That(directory.ListFiles(), Is.EqualTo(new[] { name }), "a VMDK cannot say sectors of 4096 bytes");
    }

    [Test]
    public void Payload_WrittenByQemuThroughTheVmdk_IsReadHere()
    {
        ExternalTool.Require("qemu-io");
        var (directory, name) = Place();
        Container.Create(directory, name, 48 * MiB, 512, Guid.NewGuid).Dispose();
        ExternalTool.Run("qemu-io", "-f", "vmdk", "-c", "write -P 0x42 33M 64k", Path.Combine(directory.Path, Path.ChangeExtension(name, ".vmdk")));
        using var image = Container.Open(directory, name, HostFileAccess.Read);
        var bytes = new byte[64 << 10];
        image.Read(33 * MiB, bytes);
        Assert.That(bytes, Is.All.EqualTo(0x42));
        Assert.That(DiskContents.DataOf(image, 0, image.Length).Extents, Is.EqualTo(new[] { new Extent(33 * MiB, 64 << 10) }));
    }

    [Test]
    public void Map_OfASparseImage_ShowsWhatWasWrittenAndKeepsHolesOnDisk()
    {
        var (directory, name) = Place();
        using var image = Container.Create(directory, name, 256 * MiB, 512, Guid.NewGuid);
        image.Write(64 * MiB, DiskContents.Random(1, MiB));
        image.Punch((64 * MiB) + (256 << 10), 256 << 10);
        image.Flush();
        Assert.That(DiskContents.DataOf(image, 0, image.Length).Extents, Is.EqualTo(new[]
        {
            new Extent(64 * MiB, 256 << 10),
            new Extent((64 * MiB) + (512 << 10), 512 << 10),
        }));
        Assert.That(DiskContents.DataOf(image, (64 * MiB) + 4096, 8192).Extents, Is.EqualTo(new[] { new Extent((64 * MiB) + 4096, 8192) }));
    }

    [Test]
    public void Open_AVhdxWhoseBlocksAreNotInOnePiece_IsRefused()
    {
        ExternalTool.Require("qemu-img");
        var (directory, name) = Place();
        ExternalTool.Run("qemu-img", "create", "-q", "-f", "vhdx", "-o", "subformat=fixed", Path.Combine(directory.Path, name), "64M");
        Assert.That(() => Container.Open(directory, name, HostFileAccess.Read), Throws.TypeOf<ImageFormatException>().With.Message.Contains("BAT entry"));
    }

    [Test]
    public void Open_WithOneHeaderOrOneRegionTableTorn_StillReads([Values(64 << 10, 128 << 10, 192 << 10, 256 << 10)] int at)
    {
        var (directory, name) = Place();
        var expected = Fill(directory, name, 3 * MiB, 512);
        using (var file = directory.Open(name, HostFileAccess.ReadWrite)) file.Write(at + 9, [0xFF]);
        using var image = Container.Open(directory, name, HostFileAccess.Read);
        DiskContents.RequireSame(DiskContents.ReadAll(image), expected);
    }

    [Test]
    public void Open_WithAnyByteOfTheStructuresFlipped_OpensOrIsRefusedByATypedError()
    {
        var (directory, name) = Place();
        Fill(directory, name, 40 * MiB, 512);
        byte[] pristine = File.ReadAllBytes(Path.Combine(directory.Path, name))[..(4 * MiB)];
        using var file = directory.Open(name, HostFileAccess.ReadWrite);
        var refused = 0;
        // Only bytes that mean something: the first ones of every structure.
        int[] starts = [0, 64 << 10, 128 << 10, 192 << 10, 256 << 10, 2 * MiB, (2 * MiB) + (64 << 10), 3 * MiB];
        foreach (var start in starts)
        {
            for (var i = start; i < start + 192; i++)
            {
                file.Write(i, [(byte)~pristine[i]]);
                try
                {
                    using var image = Container.Open(directory, name, HostFileAccess.Read);
                    image.Read(image.Length - 512, new byte[512]);
                }
                catch (ImageFormatException)
                {
                    refused++;
                }

                file.Write(i, [pristine[i]]);
            }
        }

        Assert.That(refused, Is.GreaterThan(100));
    }

    [Test]
    public void Open_CutShortAnywhereInTheStructures_IsRefusedByATypedError([Values(0, 7, 8, 65_540, 70_000, 140_000, 200_000, 300_000, MiB, 2 * MiB, (3 * MiB) - 1, (3 * MiB) + 4, 4 * MiB, (6 * MiB) - 513)] int length)
    {
        var (directory, name) = Place();
        Fill(directory, name, 2 * MiB, 512);
        using (var file = directory.Open(name, HostFileAccess.ReadWrite)) file.SetLength(length);
        Assert.That(() => Container.Open(directory, name, HostFileAccess.Read), Throws.TypeOf<ImageFormatException>());
    }

    [Test]
    public void Write_OutsideTheDiskOrReadOnly_IsRefused()
    {
        var (directory, name) = Place();
        using (var image = Container.Create(directory, name, MiB, 512, Guid.NewGuid))
        {
            Assert.That(() => image.Write(MiB - 511, new byte[512]), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => image.Punch(-1, 2), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => image.Read(long.MaxValue, new byte[2]), Throws.TypeOf<ArgumentOutOfRangeException>());
        }

        using var opened = Container.Open(directory, name, HostFileAccess.Read);
        Assert.That(() => opened.Write(0, new byte[512]), Throws.TypeOf<NotSupportedException>());
    }

    [TestCase(0, 512)]
    [TestCase(513, 512)]
    [TestCase(512, 4096)]
    [TestCase(512, 520)]
    [TestCase((64L << 40) + 512, 512)]
    public void Create_OfAnImpossibleSize_IsRefusedAndMakesNoFile(long length, int sectorSize)
    {
        var (directory, name) = Place();
        Assert.That(() => Container.Create(directory, name, length, sectorSize, Guid.NewGuid), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(directory.FileExists(name), Is.False);
    }

    private (HostDirectory Directory, string Name) Place()
    {
        var directory = new HostDirectory(folder.File($"{Guid.NewGuid():n}"));
        directory.Create();
        return (directory, "sda.vhdx");
    }

    /// <summary>Makes a container with data at both ends, in the middle, and a hole punched in it; returns its contents.</summary>
    private static byte[] Fill(HostDirectory directory, string name, int length, int sectorSize)
    {
        var expected = new byte[length];
        using var image = Container.Create(directory, name, length, sectorSize, Guid.NewGuid);
        Put(0, DiskContents.Random(1, 300_000));
        Put(length - 100_000, DiskContents.Random(2, 100_000));
        Put((length / 2) + 12_345, DiskContents.Random(3, 500_000));
        image.Punch((length / 2) + 100_000, 200_001);
        expected.AsSpan((length / 2) + 100_000, 200_001).Clear();
        image.Zero(512, 1024);
        expected.AsSpan(512, 1024).Clear();
        image.Flush();
        return expected;

        void Put(int offset, byte[] bytes)
        {
            bytes.CopyTo(expected, offset);
            image.Write(offset, bytes);
        }
    }
}
