using System.Buffers.Binary;
using VmRepl.Blocks;
using VmRepl.Images.Opening;

namespace VmRepl.Images.Tests.Opening;

/// <summary>What is live once every table of a chain was read: one bound for all layers together. Each of these chains has tables of more than twice the bound.</summary>
[NonParallelizable]
internal sealed class ChainMemoryTests
{
    private const long GiB = 1L << 30;

    /// <summary>The bound, and what headers, locators and file handles of all layers may take beside it.</summary>
    private const long LiveBytesMax = TableMemory.BytesMax + (6 << 20);

    private TestFolder folder = null!;

    [SetUp]
    public void Make() => folder = new TestFolder();

    [TearDown]
    public void Remove() => folder.Dispose();

    [TestCase(16, 30, 64)]
    [TestCase(21, 16, 6)]
    public void Qcow2_OfManyLayersWithFullTables_StaysWithinTheBound(int clusterBits, int layers, int tables)
    {
        for (var i = 0; i < layers; i++) WriteEmptyTables(folder.File($"{i}.qcow2"), clusterBits, tables, i == 0 ? null : $"{i - 1}.qcow2");
        MustStayWithin(folder.File($"{layers - 1}.qcow2"), layers);
    }

    /// <summary>The largest L1 table there is has 32 MiB.</summary>
    [TestCase(true)]
    [TestCase(false)]
    public void Qcow2_OfManyLayersWithTheLargestL1_StaysWithinTheBound(bool isHole)
    {
        const int layers = 8, entries = 4 << 20;
        for (var i = 0; i < layers; i++)
        {
            using var file = File.Create(folder.File($"{i}.qcow2"));
            file.Write(Header(9, entries, 4096, (32L << 20) + 8192, i == 0 ? null : $"{i - 1}.qcow2"));
            file.Position = 4096;
            if (!isHole) file.Write(new byte[32 << 20]);
            file.SetLength((33L << 20) + 512);
        }

        MustStayWithin(folder.File($"{layers - 1}.qcow2"), layers);
    }

    [TestCase(ImageFormat.Vmdk, 200 * GiB, 12)]
    [TestCase(ImageFormat.Vhdx, 8192 * GiB, 12)]
    [TestCase(ImageFormat.Vhd, 2040 * GiB, 20)]
    public void Chain_OfManyLayersWithLargeTables_StaysWithinTheBound(ImageFormat format, long length, int layers)
    {
        for (var i = 0; i < layers; i++)
        {
            var options = new ImageCreateOptions { Backing = i == 0 ? null : new ImageBacking($"{i - 1}.{format}", format) };
            var path = folder.File($"{i}.{format}");
            DiskImages.Create(path, format, length, options).Dispose();
            // Zeros in place of holes, which would not be loaded at all.
            File.WriteAllBytes(path, File.ReadAllBytes(path));
        }

        MustStayWithin(folder.File($"{layers - 1}.{format}"), layers);
    }

    /// <summary>Found by a chain of 30: every layer's table was read at once, to look for blocks over each other, and opening took half a minute. Now as many entries as one of these has.</summary>
    [Test]
    public void Vhd_ChainOfLargeTables_IsOpenedWithoutReadingThemAll()
    {
        const int layers = 8, tableBytes = 4 << 20;
        for (var i = 0; i < layers; i++)
        {
            var options = new ImageCreateOptions { Backing = i == 0 ? null : new ImageBacking($"{i - 1}.vhd", ImageFormat.Vhd) };
            DiskImages.Create(folder.File($"{i}.vhd"), ImageFormat.Vhd, 2040 * GiB, options).Dispose();
        }

        var files = new CountedFiles();
        using var image = DiskImages.Open(folder.File($"{layers - 1}.vhd"), new ImageOpenOptions { Files = files });
        Assert.That(image.Files, Has.Count.EqualTo(layers));
        Assert.That(files.BytesRead, Is.LessThan(2 * tableBytes));
    }

    /// <summary>The cluster last unpacked is kept in each layer, and has 2 MiB.</summary>
    [Test]
    public void Qcow2_OfManyLayersWithLargeCompressedClusters_StaysWithinTheBound()
    {
        ExternalTool.Require("qemu-img", "qemu-io");
        const int layers = 24, cluster = 2 << 20;
        for (var i = 0; i < layers; i++)
        {
            var path = folder.File($"{i}.qcow2");
            string[] backing = i == 0 ? [] : ["-b", folder.File($"{i - 1}.qcow2"), "-F", "qcow2"];
            ExternalTool.Run("qemu-img", ["create", "-q", "-f", "qcow2", "-o", "cluster_size=2M", .. backing, path, $"{layers * cluster}"]);
            QemuImg.Io(path, [$"write -q -c -P {i + 1} {i * cluster} {cluster}"], "qcow2");
        }

        var before = GC.GetTotalMemory(forceFullCollection: true);
        using var image = DiskImages.Open(folder.File($"{layers - 1}.qcow2"));
        var sector = new byte[512];
        for (var round = 0; round < 2; round++)
        {
            for (var i = 0; i < layers; i++)
            {
                image.Read((i * (long)cluster) + 1024, sector);
                Assert.That(sector, Has.All.EqualTo((byte)(i + 1)));
            }
        }

        Assert.That(GC.GetTotalMemory(forceFullCollection: true) - before, Is.LessThan(LiveBytesMax));
    }

    private static void MustStayWithin(string path, int layers)
    {
        var before = GC.GetTotalMemory(forceFullCollection: true);
        using var image = DiskImages.Open(path);
        Assert.That(image.Files, Has.Count.EqualTo(layers));
        Assert.That(image.Map(0, image.Length).All(r => r.State is BlockState.Unallocated), "nothing is in any layer");
        var sector = new byte[512];
        for (var i = 0L; i < 1000; i++) image.Read(image.Length / 1000 * i / 512 * 512, sector);
        Assert.That(GC.GetTotalMemory(forceFullCollection: true) - before, Is.LessThan(LiveBytesMax));
        GC.KeepAlive(image);
    }

    /// <summary>An image whose L1 table names tables of zeros: each has to be looked at, and leads behind the image.</summary>
    private static void WriteEmptyTables(string path, int clusterBits, int tables, string? backing)
    {
        var cluster = 1L << clusterBits;
        using var file = File.Create(path);
        file.Write(Header(clusterBits, tables, cluster, 2 * cluster, backing));
        file.Position = cluster;
        var entry = new byte[8];
        for (var i = 0; i < tables; i++)
        {
            BinaryPrimitives.WriteInt64BigEndian(entry, (3 + i) * cluster);
            file.Write(entry);
        }

        file.Position = 3 * cluster;
        for (var i = 0; i < tables; i++) file.Write(new byte[cluster]);
    }

    /// <summary>A header of version 3 ("Header", "Header extensions") for a disk as long as its L1 table reaches.</summary>
    internal static byte[] Header(int clusterBits, int l1Entries, long l1Offset, long refcountOffset, string? backing)
    {
        var bytes = new byte[512];
        "QFI\u00fb"u8[..3].CopyTo(bytes);
        bytes[3] = 0xFB;
        Put32(4, 3);
        Put32(20, clusterBits);
        Put64(24, l1Entries * (long)(1 << clusterBits) * (1 << (clusterBits - 3)));
        Put32(36, l1Entries);
        Put64(40, l1Offset);
        Put64(48, refcountOffset);
        Put32(56, 1);
        Put32(96, 4);
        Put32(100, 104);
        if (backing is null) return bytes;
        unchecked
        {
            Put32(104, (int)0xE2792ACA);
        }

        Put32(108, 5);
        "qcow2"u8.CopyTo(bytes.AsSpan(112));
        Put64(8, 200);
        Put32(16, backing.Length);
        System.Text.Encoding.ASCII.GetBytes(backing).CopyTo(bytes, 200);
        return bytes;

        void Put32(int at, int value) => BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(at), value);

        void Put64(int at, long value) => BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(at), value);
    }
}
