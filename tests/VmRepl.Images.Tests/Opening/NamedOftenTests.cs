using System.Buffers.Binary;
using VmRepl.Blocks;
using VmRepl.Images.Opening;
using VmRepl.Images.Tests.Vhd;
using VmRepl.Images.Tests.Vhdx;

namespace VmRepl.Images.Tests.Opening;

/// <summary>Small files whose entries name one thing again and again: what is looked at and held is bounded by the file, not by the disk that it claims.</summary>
internal sealed class NamedOftenTests
{
    private TestFolder folder = null!;

    [SetUp]
    public void Make() => folder = new TestFolder();

    [TearDown]
    public void Remove() => folder.Dispose();

    /// <summary>Four million entries of L1, all naming one table that says the same of all its clusters: the table was read for each.</summary>
    [TestCase(9, 0UL, BlockState.Unallocated)]
    [TestCase(9, 1UL, BlockState.Zero)]
    [TestCase(12, 0UL, BlockState.Unallocated)]
    public void Qcow2_OfOneTableNamedByAllOfL1_IsMappedByReadingItOnce(int clusterBits, ulong entry, BlockState expected)
    {
        const int entries = 4 << 20, l1Bytes = 8 * entries;
        var cluster = 1 << clusterBits;
        using (var file = File.Create(folder.File("a.qcow2")))
        {
            var tableAt = (4L * cluster) + l1Bytes;
            file.Write(ChainMemoryTests.Header(clusterBits, entries, 4 * cluster, 2 * cluster, backing: null));
            file.Position = 4 * cluster;
            var l1 = new byte[l1Bytes];
            for (var i = 0; i < entries; i++) BinaryPrimitives.WriteInt64BigEndian(l1.AsSpan(8 * i), tableAt);
            file.Write(l1);
            var table = new byte[cluster];
            for (var i = 0; i < cluster / 8; i++) BinaryPrimitives.WriteUInt64BigEndian(table.AsSpan(8 * i), entry);
            file.Write(table);
        }

        var files = new CountedFiles();
        using var image = DiskImages.Open(folder.File("a.qcow2"), new ImageOpenOptions { Files = files });
        Assert.That(image.Map(0, image.Length), Is.EqualTo(new[] { new MapExtent(0, image.Length, expected) }));
        Assert.That(files.BytesRead, Is.LessThan(l1Bytes + (1 << 20)));
    }

    /// <summary>A million entries of a grain directory, all naming one table of one entry that names no grain.</summary>
    [Test]
    public void Vmdk_OfOneTableNamedByAllOfTheDirectory_IsMappedByReadingItOnce()
    {
        const int tables = 1 << 20, directoryAt = 32, directorySectors = tables * 4 / 512, tableAt = directoryAt + directorySectors;
        using (var file = File.Create(folder.File("a.vmdk")))
        {
            file.Write(SparseHeader(capacity: 8L * tables, tableEntries: 1, directoryAt, overhead: tableAt + 8));
            var directory = new byte[tables * 4];
            for (var i = 0; i < tables; i++) BinaryPrimitives.WriteInt32LittleEndian(directory.AsSpan(4 * i), tableAt);
            file.Position = directoryAt * 512;
            file.Write(directory);
            file.Write(new byte[512 * 8]);
        }

        var files = new CountedFiles();
        using var image = DiskImages.Open(folder.File("a.vmdk"), new ImageOpenOptions { Files = files });
        Assert.That(image.Map(0, image.Length), Has.All.Matches<MapExtent>(r => r.State == BlockState.Unallocated));
        Assert.That(files.BytesRead, Is.LessThan((tables * 4) + (1 << 20)));
    }

    /// <summary>Tables of four bytes were counted as four bytes: 16 MiB of them held a gigabyte.</summary>
    [Test]
    public void TableMemory_OfTinyTables_StaysWithinTheBound()
    {
        var before = GC.GetTotalMemory(forceFullCollection: true);
        var memory = new TableMemory();
        var owner = new object();
        for (var i = 0; i < 500_000; i++) memory.Keep(owner, i, new uint[1], sizeof(uint));
        Assert.That(memory.Find<uint[]>(owner, 499_999), Is.Not.Null);
        Assert.That(GC.GetTotalMemory(forceFullCollection: true) - before, Is.LessThan(TableMemory.BytesMax + (2 << 20)));
        GC.KeepAlive(memory);
    }

    /// <summary>A differencing VHD whose every block is there and holds no sector: its parent was asked block by block, in a chain of thirty for the square of that.</summary>
    [Test]
    public void Vhd_OfBlocksThatHoldNothing_AsksItsParentOnce()
    {
        const int blocks = 4096, size = 512;
        var parent = new VhdForge { Size = blocks * size, BlockSize = size };
        for (var i = 0; i < blocks; i++) parent.Blocks.Add((i, null, DiskContents.Random(i, size)));
        File.WriteAllBytes(folder.File("p.vhd"), parent.Build());
        var child = new VhdForge { Type = 4, Size = blocks * size, BlockSize = size, ParentId = parent.Id, ParentTime = parent.Time, ParentName = "p.vhd" };
        child.Locators.Add((VhdForge.Relative, System.Text.Encoding.Unicode.GetBytes(@".\p.vhd")));
        for (var i = 0; i < blocks; i++) child.Blocks.Add((i, new byte[512], DiskContents.Random(-i, size)));
        File.WriteAllBytes(folder.File("c.vhd"), child.Build());
        var files = new CountedFiles();
        using var image = DiskImages.Open(folder.File("c.vhd"), new ImageOpenOptions { Files = files });
        var map = image.Map(0, image.Length).ToList();
        Assert.That(map, Has.Count.EqualTo(blocks).And.All.Matches<MapExtent>(r => r is { State: BlockState.Data, Depth: 1 }));
        Assert.That(files.Maps, Is.LessThan(100));
    }

    /// <summary>Zeros are taken by the thousand; what lies between them, at the borders of pages and chunks too, is not lost.</summary>
    [Test]
    public void Vhdx_OfZeroBlocks_IsMappedWithAllThatLiesBetweenThem()
    {
        const int blockSize = 1 << 20, blocks = 20_000, zero = 2, full = 6;
        // A chunk has 4096 blocks, a page of the table 8192 entries.
        int[] stored = [0, 1, 17, 4095, 4096, 8190, 8191, 8192, 12_287, 12_288, 16_383, blocks - 1];
        var generator = new VhdxGenerator { Length = (long)blocks * blockSize, BlockSize = blockSize };
        for (var i = 0; i < blocks; i++) generator.Blocks[i] = stored.Contains(i) ? new GeneratedBlock(full, DiskContents.Random(i, blockSize)) : new GeneratedBlock(zero);
        generator.Write(folder.File("a.vhdx"), 3);
        using var image = DiskImages.Open(folder.File("a.vhdx"));
        var map = image.Map(0, image.Length).ToList();
        var data = new ExtentSet();
        foreach (var run in map.Where(r => r.HasData)) data.Add(run.Extent);
        var expected = new ExtentSet();
        foreach (var block in stored) expected.Add(new Extent((long)block * blockSize, blockSize));
        Assert.That(data.Extents, Is.EqualTo(expected.Extents));
        Assert.That(map.Where(r => !r.HasData), Has.All.Matches<MapExtent>(r => r.State == BlockState.Zero));
        Assert.That(map.Sum(r => r.Length), Is.EqualTo(image.Length));
    }

    /// <summary>A table whose entries differ, named by all of L1: 268 million runs of 512 bytes out of 33 MiB. A few of such a kind are read, as QEMU reads them.</summary>
    [TestCase(2, true)]
    [TestCase(1000, true)]
    [TestCase(4 << 20, false)]
    public void Qcow2_OfOneTableOfManyRunsNamedByAllOfL1_IsMappedUpToABound(int entries, bool isRead)
    {
        const int cluster = 512, perTable = cluster / 8;
        using (var file = File.Create(folder.File("a.qcow2")))
        {
            var tableAt = (4L * cluster) + Sectors.AlignUp(8L * entries, cluster);
            file.Write(ChainMemoryTests.Header(9, entries, 4 * cluster, 2 * cluster, backing: null));
            file.Position = 4 * cluster;
            var l1 = new byte[8 * entries];
            for (var i = 0; i < entries; i++) BinaryPrimitives.WriteInt64BigEndian(l1.AsSpan(8 * i), tableAt);
            file.Write(l1);
            file.Position = tableAt;
            var table = new byte[cluster];
            for (var i = 0; i < perTable; i += 2) table[(8 * i) + 7] = 1;
            file.Write(table);
        }

        using var image = DiskImages.Open(folder.File("a.qcow2"));
        var runs = 0L;
        if (isRead)
        {
            CountRuns();
            Assert.That(runs, Is.EqualTo((long)entries * perTable));
            return;
        }

        Assert.That(CountRuns, Throws.TypeOf<ImageFormatException>().With.Property(nameof(ImageFormatException.Field)).EqualTo("L1 entry"));
        Assert.That(runs, Is.LessThan(2 << 20));

        void CountRuns()
        {
            foreach (var _ in image.Map(0, image.Length)) runs++;
        }
    }

    /// <summary>All blocks of a VHDX in one place: a disk of terabytes out of megabytes.</summary>
    [Test]
    public void Vhdx_OfBlocksInOnePlace_IsNotMapped()
    {
        const int blockSize = 1 << 20, blocks = 64;
        var generator = new VhdxGenerator { Length = (long)blocks * blockSize, BlockSize = blockSize };
        generator.Blocks[0] = new GeneratedBlock(6, DiskContents.Random(1, blockSize));
        generator.Write(folder.File("a.vhdx"), 3);
        var forge = new VhdxForge(File.ReadAllBytes(folder.File("a.vhdx")));
        for (var i = 1; i < blocks; i++) forge.SetBatEntry(i, forge.BatEntry(0));
        File.WriteAllBytes(folder.File("a.vhdx"), forge.File);
        using var image = DiskImages.Open(folder.File("a.vhdx"));
        Assert.That(() => image.Map(0, image.Length).Count(), Throws.TypeOf<ImageFormatException>().With.Property(nameof(ImageFormatException.Field)).EqualTo("BAT entry"));
    }

    /// <summary>All grains of a VMDK in one place.</summary>
    [Test]
    public void Vmdk_OfGrainsInOnePlace_IsNotMapped()
    {
        const int entries = 512, tableAt = 33, grainAt = 40;
        using (var file = File.Create(folder.File("a.vmdk")))
        {
            file.Write(SparseHeader(capacity: 8L * entries, tableEntries: entries, directoryAt: 32, overhead: grainAt));
            file.SetLength((grainAt + 8) * 512);
            file.Position = 32 * 512;
            file.Write(BitConverter.GetBytes(tableAt));
            file.Position = tableAt * 512;
            for (var i = 0; i < entries; i++) file.Write(BitConverter.GetBytes(grainAt));
            file.Position = grainAt * 512;
            file.Write(DiskContents.Random(1, 4096));
        }

        using var image = DiskImages.Open(folder.File("a.vmdk"));
        Assert.That(() => image.Map(0, image.Length).Count(), Throws.TypeOf<ImageFormatException>().With.Property(nameof(ImageFormatException.Field)).EqualTo("grain tables"));
    }

    /// <summary>The header of a monolithicSparse disk with its descriptor behind it (Virtual Disk Format 5.0, "Hosted Sparse Extent Header").</summary>
    private static byte[] SparseHeader(long capacity, int tableEntries, long directoryAt, long overhead)
    {
        var bytes = new byte[(1 + 20) * 512];
        "KDMV"u8.CopyTo(bytes);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(4), 1);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(8), 1);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(12), capacity);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(20), 8);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(28), 1);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(36), 20);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(44), tableEntries);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(56), directoryAt);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(64), overhead);
        "\n \r\n"u8.CopyTo(bytes.AsSpan(73));
        System.Text.Encoding.ASCII.GetBytes($"# Disk DescriptorFile\nversion=1\nCID=7a3b5c9d\nparentCID=ffffffff\ncreateType=\"monolithicSparse\"\nRW {capacity} SPARSE \"a.vmdk\"\n").CopyTo(bytes, 512);
        return bytes;
    }
}
