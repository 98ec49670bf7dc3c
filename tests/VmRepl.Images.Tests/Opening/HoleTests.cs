using System.Buffers.Binary;
using VmRepl.Blocks;
using VmRepl.Images.Opening;
using VmRepl.Images.Tests.Vhd;

namespace VmRepl.Images.Tests.Opening;

/// <summary>Small files whose tables name a million others, all in holes: what is asked of the file has to stay small too. The work is counted, not timed.</summary>
internal sealed class HoleTests
{
    private const int MiB = 1 << 20;

    private TestFolder folder = null!;

    [SetUp]
    public void Make()
    {
        ExternalTool.RequireLinux();
        folder = new TestFolder();
    }

    [TearDown]
    public void Remove() => folder?.Dispose();

    [TestCase(16)]
    [TestCase(21)]
    public void Map_OfQcow2LayersWhoseTablesAreHoles_ReadsNoneOfThem(int clusterBits)
    {
        const int layers = 20, tables = 500;
        for (var i = 0; i < layers; i++)
        {
            var cluster = 1L << clusterBits;
            using var file = File.Create(folder.File($"{i}.qcow2"));
            file.Write(ChainMemoryTests.Header(clusterBits, tables, cluster, 2 * cluster, i == 0 ? null : $"{i - 1}.qcow2"));
            var l1 = new byte[tables * 8];
            for (var t = 0; t < tables; t++) BinaryPrimitives.WriteInt64BigEndian(l1.AsSpan(t * 8), (3 + t) * cluster);
            file.Position = cluster;
            file.Write(l1);
            file.SetLength((3 + tables) * cluster);
        }

        var (files, runs) = Map(folder.File($"{layers - 1}.qcow2"));
        Assert.That(runs.Single().State, Is.EqualTo(BlockState.Unallocated));
        // Headers, a cluster of 2 MiB at most, and L1 tables.
        Assert.That(files.BytesRead, Is.LessThan(layers * (3L << clusterBits)));
        Assert.That(files.Maps, Is.LessThan(layers * 10));
    }

    [TestCase(ImageFormat.Vmdk, 100L << 30)]
    [TestCase(ImageFormat.Vhdx, 64L << 40)]
    public void Map_OfADiskWhoseTablesAreHoles_ReadsNoneOfThem(ImageFormat format, long length)
    {
        DiskImages.Create(folder.File("disk"), format, length).Dispose();
        var (files, runs) = Map(folder.File("disk"));
        Assert.That(runs.Single().State, Is.EqualTo(BlockState.Unallocated));
        Assert.That(files.BytesRead, Is.LessThan(MiB));
        Assert.That(files.Maps, Is.LessThan(20));
    }

    /// <summary>A quarter of a million blocks in one hole of the file, in their order and against it.</summary>
    [TestCase(false)]
    [TestCase(true)]
    public void Map_OfAVhdWhoseBlocksAreOneHole_AsksForTheHoleAFewTimes(bool isBackwards)
    {
        const int blocks = 1 << 18, blockSize = 64 << 10, stored = (blockSize / 512) + 1;
        var forge = new VhdForge { Size = (long)blocks * blockSize, BlockSize = blockSize };
        var file = forge.Build();
        const int first = 4096;
        for (var i = 0; i < blocks; i++)
            BinaryPrimitives.WriteInt32BigEndian(file.AsSpan(forge.TableAt + (i * 4)), first + ((isBackwards ? blocks - 1 - i : i) * stored));
        var path = folder.File("disk.vhd");
        File.WriteAllBytes(path, file.AsSpan(0, file.Length - 512));
        using (var stream = File.OpenWrite(path))
        {
            stream.Position = (first + ((long)blocks * stored)) * 512;
            stream.Write(forge.Footer());
        }

        var (files, runs) = Map(path);
        Assert.That(runs.Single().State, Is.EqualTo(BlockState.Zero));
        Assert.That(files.BytesRead, Is.LessThan((4 * blocks * 4) + MiB));
        Assert.That(files.Maps, Is.LessThan(200));
    }

    private static (CountedFiles Files, MapExtent[] Runs) Map(string path)
    {
        var files = new CountedFiles();
        using var image = DiskImages.Open(path, new ImageOpenOptions { Files = files });
        return (files, [.. image.Map(0, image.Length)]);
    }
}
