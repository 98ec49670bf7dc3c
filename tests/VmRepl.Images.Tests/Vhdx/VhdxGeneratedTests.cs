using VmRepl.Blocks;
using VmRepl.Images.Changes;
using VmRepl.Images.Tests.Variants;

namespace VmRepl.Images.Tests.Vhdx;

/// <summary>Files of <see cref="VhdxGenerator"/>, read here and, as far as they can, by QEMU and 7-Zip; the map against the generator's own account of each sector.</summary>
internal sealed class VhdxGeneratedTests
{
    private const int MiB = 1 << 20;
    private readonly TestFolder folder = new();

    [OneTimeTearDown]
    public void RemoveFolder() => folder.Dispose();

    [Variant("VHDX", "dynamic, every block size from 1 to 32 MiB, every payload state but partially present", Referee = "generator, qemu-img", Map = "generator")]
    [Test]
    public void Read_ADynamicDisk_IsWhatWasGenerated([Values(1, 2, 4, 8, 16, 32)] int blockMiB)
    {
        ExternalTool.Require("qemu-img");
        var disk = Disk((11 * blockMiB * MiB) + (3 * 512), blockMiB * MiB, 512, null, blockMiB);
        var path = folder.File($"dynamic{blockMiB}.vhdx");
        disk.Write(path, blockMiB);
        MustMatch(path, disk.Contents(null), disk.Sectors(null));
        DiskContents.RequireSame(DiskContents.ReadByQemu(folder, "vhdx", path), disk.Contents(null), "qemu");
    }

    [Variant("VHDX", "logical sectors of 4096 bytes", Referee = "generator, 7-Zip", Map = "generator")]
    [Test]
    public void Read_ADiskOf4096ByteSectors_IsWhatWasGenerated([Values(1, 8, 32)] int blockMiB)
    {
        ExternalTool.Require("7zz");
        var disk = Disk(((3 * blockMiB) + 1) * MiB, blockMiB * MiB, 4096, null, 40 + blockMiB, hasDraftState: false);
        var path = folder.File($"sectors{blockMiB}.vhdx");
        disk.Write(path, blockMiB);
        using (var image = DiskImages.Open(path)) Assert.That(image.SectorSize, Is.EqualTo(4096));
        MustMatch(path, disk.Contents(null), disk.Sectors(null));
        DiskContents.RequireSame(DiskContents.ReadBy7Zip(folder, path), disk.Contents(null), "7-Zip");
    }

    [Variant("VHDX", "differencing chain of three, every payload state, sector bitmaps, 512 and 4096-byte sectors", Referee = "generator, 7-Zip", Map = "generator")]
    [Variant("VHDX", "allocation of a differencing disk as changes over its parent", Referee = "generator")]
    [Test]
    public void Read_AChainOfThree_MixesSectorsOfAll([Values(512, 4096)] int sectorSize, [Values(1, 2, 4)] int childMiB)
    {
        ExternalTool.Require("7zz");
        var home = Directory.CreateDirectory(folder.File($"chain{sectorSize}-{childMiB}")).FullName;
        var bottom = Disk(16 * MiB, 2 * MiB, sectorSize, null, 1, hasDraftState: false);
        bottom.Write(Path.Combine(home, "bottom.vhdx"), 1);
        var middle = Disk(16 * MiB, MiB, sectorSize, (bottom.DataWriteGuid, @".\bottom.vhdx"), 2, hasDraftState: false);
        middle.Write(Path.Combine(home, "middle.vhdx"), 2);
        var top = Disk(16 * MiB, childMiB * MiB, sectorSize, (middle.DataWriteGuid, @".\middle.vhdx"), 3, hasDraftState: false);
        var path = Path.Combine(home, "top.vhdx");
        top.Write(path, 3);
        var contents = top.Contents(middle.Contents(bottom.Contents(null)));
        var sectors = top.Sectors(middle.Sectors(bottom.Sectors(null)));
        MustMatch(path, contents, sectors);
        using (var image = DiskImages.Open(path))
        {
            Assert.That(image.Files.Select(f => Path.GetFileName(f.Path)), Is.EqualTo(new[] { "top.vhdx", "middle.vhdx", "bottom.vhdx" }));
            var changed = new ExtentSet();
            foreach (var sector in sectors.Where(s => s is { Depth: 0, State: not BlockState.Unallocated })) changed.Add(sector.Extent);
            Assert.That(ChangeTracks.Layer(image).Changes(), Is.EqualTo(changed.Extents));
        }

        DiskContents.RequireSame(DiskContents.ReadBy7Zip(folder, path), contents, "7-Zip");
    }

    [Variant("VHDX", "differencing disk larger than its parent, which lies in a directory below", Referee = "generator", Map = "generator")]
    [Test]
    public void Read_AChildThatIsLargerThanItsParent_HasZerosBehindIt()
    {
        var home = folder.File("larger");
        Directory.CreateDirectory(Path.Combine(home, "below"));
        var bottom = Disk((5 * MiB) + 512, MiB, 512, null, 7);
        bottom.Write(Path.Combine(home, "below", "bottom.vhdx"), 7);
        var top = Disk(13 * MiB, 2 * MiB, 512, (bottom.DataWriteGuid, @".\below\bottom.vhdx"), 8);
        top.Write(Path.Combine(home, "top.vhdx"), 8);
        MustMatch(Path.Combine(home, "top.vhdx"), top.Contents(bottom.Contents(null)), top.Sectors(bottom.Sectors(null)));
    }

    [Variant("VHDX", "differencing chain over several chunks, each with its sector bitmap", Referee = "generator", Map = "generator")]
    [TestCase(512, 1)]
    [TestCase(512, 32)]
    [TestCase(4096, 32)]
    public void Read_PartialBlocksOfSeveralChunks_AreFoundByTheirOwnBitmaps(int sectorSize, int blockMiB)
    {
        var home = Directory.CreateDirectory(folder.File($"chunks{sectorSize}-{blockMiB}")).FullName;
        var chunkBytes = (1L << 23) * sectorSize;
        var (length, blockSize) = (3 * chunkBytes, blockMiB * MiB);
        var chunkBlocks = chunkBytes / blockSize;
        var bottom = new VhdxGenerator { Length = length, BlockSize = blockSize, SectorSize = sectorSize };
        bottom.Write(Path.Combine(home, "bottom.vhdx"), 1);
        var top = new VhdxGenerator { Length = length, BlockSize = blockSize, SectorSize = sectorSize, Parent = (bottom.DataWriteGuid, "bottom.vhdx") };
        long[] numbers = [0, chunkBlocks - 1, chunkBlocks, (2 * chunkBlocks) - 1, 2 * chunkBlocks];
        foreach (var number in numbers)
        {
            var here = new bool[blockSize / sectorSize];
            // The block's first sector but one, its last, and others for each block.
            here[1] = here[^1] = here[(int)(100 + number % 7)] = true;
            var contents = new byte[blockSize];
            for (var i = 0; i < here.Length; i++)
            {
                if (here[i]) DiskContents.Random((int)number + i, sectorSize).CopyTo(contents, i * (long)sectorSize);
            }

            top.Blocks[number] = new GeneratedBlock(7, contents, here);
        }

        top.Write(Path.Combine(home, "top.vhdx"), 2);
        using var image = DiskImages.Open(Path.Combine(home, "top.vhdx"));
        var data = DiskContents.DataOf(image, 0, image.Length);
        var expected = new ExtentSet();
        foreach (var number in numbers)
        {
            var block = top.Blocks[number];
            for (var i = 0; i < block.Here!.Length; i++)
            {
                if (block.Here[i]) expected.Add(new Extent((number * blockSize) + (i * (long)sectorSize), sectorSize));
            }

            var bytes = new byte[Math.Min(blockSize, 4 * MiB)];
            image.Read(number * blockSize, bytes);
            bytes.MustBe(block.Contents![..bytes.Length], $"block {number}");
            image.Read(((number + 1) * blockSize) - bytes.Length, bytes);
            bytes.MustBe(block.Contents![^bytes.Length..], $"block {number}");
        }

        Assert.That(data.Extents, Is.EqualTo(expected.Extents));
        Directory.Delete(home, recursive: true);
    }

    [Variant("VHDX", "one header or one region table damaged: the other one counts", Referee = "generator")]
    [TestCase(0x10000)]
    [TestCase(0x20000)]
    [TestCase(0x30000)]
    [TestCase(0x40000)]
    public void Read_WithOneOfTwoStructuresDamaged_TakesTheOther(int at)
    {
        var disk = Disk(5 * MiB, MiB, 512, null, 5);
        var path = folder.File($"damaged{at}.vhdx");
        disk.Write(path, 5);
        var bytes = File.ReadAllBytes(path);
        bytes[at + 1000] ^= 1;
        File.WriteAllBytes(path, bytes);
        MustMatch(path, disk.Contents(null), disk.Sectors(null));
    }

    [Test]
    public void Open_AChildOfAnotherSectorSize_IsRefused()
    {
        var home = Directory.CreateDirectory(folder.File("mixed")).FullName;
        var bottom = Disk(4 * MiB, MiB, 512, null, 1);
        bottom.Write(Path.Combine(home, "bottom.vhdx"), 1);
        Disk(4 * MiB, MiB, 4096, (bottom.DataWriteGuid, "bottom.vhdx"), 2).Write(Path.Combine(home, "top.vhdx"), 2);
        Assert.That(() => DiskImages.Open(Path.Combine(home, "top.vhdx")), Throws.TypeOf<ImageFormatException>().With.Message.Contains("logical sector size"));
    }

    private static void MustMatch(string path, byte[] contents, MapExtent[] sectors)
    {
        using var image = DiskImages.Open(path);
        image.ReadAll().MustBe(contents);
        image.ReadByMap().MustBe(contents);
        Assert.That(image.Check().Where(f => f.IsDamage), Is.Empty);
        foreach (var run in image.Map(0, image.Length))
        {
            for (var at = run.Offset; at < run.End; at += image.SectorSize)
            {
                var sector = sectors[at / image.SectorSize];
                var isAlike = run.State == sector.State && (run.State != BlockState.Data || (run.Depth == sector.Depth && run.FileOffset + at - run.Offset == sector.FileOffset));
                if (!isAlike) Assert.Fail($"at {at}: ours {run}, generated {sector}");
            }
        }
    }

    /// <summary>A disk with blocks of every state; partially present ones too where it has a parent. 7-Zip refuses a file with the drafts' state 5.</summary>
    private static VhdxGenerator Disk(long length, int blockSize, int sectorSize, (Guid Linkage, string RelativePath)? parent, int seed, bool hasDraftState = true)
    {
        var disk = new VhdxGenerator { Length = length, BlockSize = blockSize, SectorSize = sectorSize, Parent = parent };
        int[] states = parent is null ? [6, 0, 1, 2, 3, 5, 6] : [7, 0, 6, 1, 7, 2, 3, 5, 7];
        var random = new Random(seed);
        for (long number = 0; number * blockSize < length; number++)
        {
            var state = states[(int)(number + seed) % states.Length];
            if (state == 5 && !hasDraftState) state = 3;
            var size = (int)Math.Min(blockSize, length - (number * blockSize));
            bool[]? here = null;
            if (state == 7)
            {
                here = new bool[blockSize / sectorSize];
                for (var at = 0; at < here.Length;)
                {
                    var run = random.Next(1, 40);
                    here.AsSpan(at, Math.Min(run, here.Length - at)).Fill(random.Next(2) == 0);
                    at += run;
                }
            }

            disk.Blocks[number] = new GeneratedBlock(state, state >= 6 ? DiskContents.Random((seed * 1000) + (int)number, size) : null, here);
        }

        return disk;
    }
}
