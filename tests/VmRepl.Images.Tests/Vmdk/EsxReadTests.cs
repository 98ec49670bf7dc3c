using VmRepl.Blocks;
using VmRepl.Images.Opening;
using VmRepl.Images.Tests.Variants;

namespace VmRepl.Images.Tests.Vmdk;

/// <summary>Disks as VMware's hosts keep them, made by <see cref="EsxForge"/>, read here and by QEMU.</summary>
internal sealed class EsxReadTests
{
    private const int MiB = 1 << 20;
    private readonly TestFolder folder = new();

    [OneTimeTearDown]
    public void RemoveFolder() => folder.Dispose();

    [Variant("VMDK", "vmfsSparse (COWD), grains of 512 B to 64 KiB, several tables", Referee = "generator, qemu-img", Map = "qemu-img")]
    [TestCase(1u, 9u << 11)]
    [TestCase(1u, (9u << 11) + 3)]
    [TestCase(8u, 40u << 11)]
    [TestCase(128u, (600u << 11) + 77)]
    public void Read_AVmfsSparseDisk_IsWhatWasForged(uint grainSectors, uint sectors)
    {
        ExternalTool.Require("qemu-img");
        var path = Descriptor($"cowd{grainSectors}-{sectors}", "vmfsSparse", "VMFSSPARSE", sectors, out var extent);
        var expected = new byte[sectors * 512L];
        EsxForge.WriteCowd(extent, sectors, grainSectors, Grains(expected, (int)grainSectors * 512, 5), 17);
        MustMatch(path, expected);
    }

    [Variant("VMDK", "seSparse: data, zero, unmapped and unallocated grains, several tables", Referee = "generator, qemu-img", Map = "qemu-img")]
    [TestCase(40UL << 11, 0)]
    [TestCase((40UL << 11) + 5, 4090)]
    [TestCase(100UL << 11, 9000)]
    public void Read_AnSeSparseDisk_IsWhatWasForged(ulong sectors, int firstGrain)
    {
        ExternalTool.Require("qemu-img");
        var path = Descriptor($"se{sectors}-{firstGrain}", "seSparse", "SESPARSE", (long)sectors, out var extent);
        var expected = new byte[(long)sectors * 512];
        EsxForge.WriteSeSparse(extent, sectors, SeGrains(expected, 6), 18, firstGrain);
        MustMatch(path, expected);
        using var image = DiskImages.Open(path);
        Assert.That(image.Map(0, image.Length).Select(r => r.State).Distinct(), Is.EquivalentTo(new[] { BlockState.Data, BlockState.Zero, BlockState.Unallocated }));
    }

    [Variant("VMDK", "delta chain of the host's formats: seSparse over vmfsSparse over vmfs flat", Referee = "generator, qemu-img", Map = "qemu-img")]
    [Test]
    public void Read_AChainOfDeltas_MixesThreeLayers()
    {
        ExternalTool.Require("qemu-img");
        const uint sectors = 40 << 11;
        var expected = DiskContents.Random(1, (int)sectors * 512);
        File.WriteAllBytes(folder.File("chain-flat.vmdk"), expected);
        EsxForge.WriteDescriptor(folder.File("chain.vmdk"), "vmfs", $"RW {sectors} VMFS \"chain-flat.vmdk\"", 0x11111111);
        EsxForge.WriteCowd(folder.File("chain-1-delta.vmdk"), sectors, 1, Grains(expected, 512, 7, clear: false), 19);
        EsxForge.WriteDescriptor(folder.File("chain-1.vmdk"), "vmfsSparse", $"RW {sectors} VMFSSPARSE \"chain-1-delta.vmdk\"", 0x22222222, 0x11111111, "chain.vmdk");
        EsxForge.WriteSeSparse(folder.File("chain-2-sesparse.vmdk"), sectors, SeGrains(expected, 8, clear: false), 20);
        EsxForge.WriteDescriptor(folder.File("chain-2.vmdk"), "seSparse", $"RW {sectors} SESPARSE \"chain-2-sesparse.vmdk\"", 0x33333333, 0x22222222, "chain-1.vmdk");
        MustMatch(folder.File("chain-2.vmdk"), expected);
        using (var image = DiskImages.Open(folder.File("chain-2.vmdk")))
        {
            Assert.That(image.Map(0, image.Length).Where(r => r.HasData).Select(r => r.Depth).Distinct(), Is.EquivalentTo(new[] { 0, 1, 2 }));
            Assert.That(image.Files.Select(f => Path.GetFileName(f.Path)), Is.EqualTo(new[] { "chain-2.vmdk", "chain-2-sesparse.vmdk", "chain-1.vmdk", "chain-1-delta.vmdk", "chain.vmdk", "chain-flat.vmdk" }));
        }

        EsxForge.WriteDescriptor(folder.File("chain.vmdk"), "vmfs", $"RW {sectors} VMFS \"chain-flat.vmdk\"", 0x11111112);
        Assert.That(() => DiskImages.Open(folder.File("chain-2.vmdk")), Throws.TypeOf<ImageFormatException>().With.Message.Contains("parentCID"));
    }

    [Variant("VMDK", "vmfs flat (also thin, preallocated and eager zeroed, which are the same to a reader)", Referee = "generator, qemu-img (vmfs)", Map = "qemu-img (vmfs)")]
    [Test]
    public void Read_AVmfsFlatDisk_IsItsFile([Values("vmfs", "vmfsThin", "vmfsPreallocated", "vmfsEagerZeroedThick")] string createType)
    {
        ExternalTool.Require("qemu-img");
        var expected = new byte[9 * MiB];
        DiskContents.Random(3, MiB).CopyTo(expected, 4 * MiB);
        using (var flat = File.Create(folder.File($"{createType}-flat.vmdk")))
        {
            flat.SetLength(expected.Length);
            flat.Position = 4 * MiB;
            flat.Write(expected.AsSpan(4 * MiB, MiB));
        }

        var path = folder.File($"{createType}.vmdk");
        EsxForge.WriteDescriptor(path, createType, $"RW {expected.Length / 512} VMFS \"{createType}-flat.vmdk\"", 0xabcdef01);
        if (createType == "vmfs") MustMatch(path, expected);
        using var image = DiskImages.Open(path);
        DiskContents.RequireSame(DiskContents.ReadAll(image), expected);
        Assert.That(DiskContents.DataOf(image, 0, image.Length).Extents, Is.EqualTo(new[] { new Extent(4 * MiB, MiB) }));
    }

    [Variant("VMDK", "streamOptimized with a footer, short last grain, version 3", Referee = "generator, qemu-img", Map = "qemu-img")]
    [Test]
    public void Read_AStreamWithAFooter_IsWhatWasForged([Values(40 * MiB, (40 * MiB) + 1536)] int length)
    {
        ExternalTool.Require("qemu-img");
        var expected = new byte[length];
        DiskContents.Random(1, 2 * MiB).CopyTo(expected, MiB);
        DiskContents.Random(2, 3 * MiB).CopyTo(expected, 35 * MiB);
        expected[^1] = 9;
        var path = folder.File($"stream{length}.vmdk");
        StreamForge.Write(path, expected);
        MustMatch(path, expected);
    }

    [Variant("VMDK", "change-tracking file (-ctk.vmdk): named by `info`, refused as a disk, never interpreted", Referee = "generator")]
    [Test]
    public void Open_ADiskWithChangeTracking_IsReadAndSaysSo_AndTheTrackingFileIsNoDisk()
    {
        var expected = DiskContents.Random(4, MiB);
        File.WriteAllBytes(folder.File("tracked-flat.vmdk"), expected);
        byte[] tracking = [0xA2, 0x72, 0x19, 0xF6, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, .. new byte[2048]];
        File.WriteAllBytes(folder.File("tracked-ctk.vmdk"), tracking);
        var path = folder.File("tracked.vmdk");
        EsxForge.WriteDescriptor(path, "vmfs", "RW 2048 VMFS \"tracked-flat.vmdk\"", 0xabcdef01, more: "changeTrackPath=\"tracked-ctk.vmdk\"\n");
        using (var image = DiskImages.Open(path))
        {
            DiskContents.RequireSame(DiskContents.ReadAll(image), expected);
            Assert.That(image.Description.Details["change-track-path"], Is.EqualTo("tracked-ctk.vmdk"));
            Assert.That(image.Files, Has.Count.EqualTo(2), "the tracking file is not even opened");
        }

        Assert.That(() => DiskImages.Open(folder.File("tracked-ctk.vmdk")), Throws.TypeOf<ImageFormatException>().With.Message.Contains("change tracking"));
        Assert.That(() => DiskImages.Open(path, new ImageOpenOptions { Writable = true }), Throws.TypeOf<ImageFormatException>().With.Message.Contains("changeTrackPath"));
    }

    [TestCase(4, 2UL, 4, "version")]
    [TestCase(12, 0UL, 4, "capacity")]
    [TestCase(16, 0UL, 4, "grainSize")]
    [TestCase(16, 3UL, 4, "grainSize")]
    [TestCase(16, 0x40000UL, 4, "grainSize")]
    [TestCase(20, 0UL, 4, "gdOffset")]
    [TestCase(20, 0xFFFFFFFFUL, 4, "gdOffset")]
    [TestCase(24, 1UL, 4, "numGDEntries")]
    [TestCase(2048, 0xFFFFFFFFUL, 4, "grain directory entry")]
    [TestCase(2048, 1UL, 4, "grain directory entry")]
    [TestCase(2560, 0xFFFFFFFFUL, 4, "grain table entry")]
    [TestCase(2560, 1UL, 4, "grain table entry")]
    public void Read_AHostileCowd_IsRefusedByATypedErrorThatNamesTheField(int offset, ulong value, int bytes, string field)
    {
        var path = Descriptor($"hostile-cowd-{offset}-{value}", "vmfsSparse", "VMFSSPARSE", 16384, out var extent);
        EsxForge.WriteCowd(extent, 16384, 1, new Dictionary<int, byte[]> { [0] = DiskContents.Random(1, 512), [16000] = DiskContents.Random(2, 512) }, 2);
        // The first table stands right behind the directory; its first entry is made that of grain 0.
        Patch(extent, 2048, 5, 4);
        Patch(extent, offset, value, bytes);
        RequireRefused(path, field);
    }

    [TestCase(0, 1UL, "magic")]
    [TestCase(8, 0x200000002UL, "version")]
    [TestCase(16, 1UL << 60, "capacity")]
    [TestCase(24, 16UL, "grainSize")]
    [TestCase(32, 32UL, "grainTableSize")]
    [TestCase(40, 1UL, "flags")]
    [TestCase(56, 1UL, "reserved")]
    [TestCase(80, ulong.MaxValue, "volatileHeader")]
    [TestCase(80, 0UL, "volatileHeader")]
    [TestCase(128, 1UL << 40, "grainDirectory")]
    [TestCase(136, 0UL, "grainDirectorySize")]
    [TestCase(144, ulong.MaxValue, "grainTables")]
    [TestCase(192, 0UL, "grains")]
    [TestCase(400, 1UL, "padding")]
    [TestCase(512, 1UL, "volatile header magic")]
    [TestCase(536, 1UL, "replay_journal")]
    [TestCase(600, 1UL, "padding")]
    [TestCase(128 * 512, 0x1000_0000_FFFF_FFFFUL, "grain directory entry")]
    [TestCase(128 * 512, 0x3000_0000_0000_0001UL, "grain directory entry")]
    [TestCase(201 * 512, 0x0000_0000_0000_0001UL, "grain table entry")]
    [TestCase(201 * 512, 0x4000_0000_0000_0000UL, "grain table entry")]
    [TestCase(201 * 512, 0x3FFF_FFFF_FFFF_FFFFUL, "grain table entry")]
    public void Read_AHostileSeSparse_IsRefusedByATypedErrorThatNamesTheField(int offset, ulong value, string field)
    {
        var path = Descriptor($"hostile-se-{offset}-{value}", "seSparse", "SESPARSE", 8192, out var extent);
        EsxForge.WriteSeSparse(extent, 8192, new Dictionary<int, byte[]?> { [0] = DiskContents.Random(1, 4096) }, 2);
        Patch(extent, offset, value, 8);
        RequireRefused(path, field);
    }

    [Test]
    public void Open_ForWriting_OfExtentsThatAreOnlyRead_IsRefused()
    {
        var cow = Descriptor("ro-cowd", "vmfsSparse", "VMFSSPARSE", 16384, out var extent);
        EsxForge.WriteCowd(extent, 16384, 1, new Dictionary<int, byte[]> { [0] = new byte[512] }, 2);
        var se = Descriptor("ro-se", "seSparse", "SESPARSE", 8192, out extent);
        EsxForge.WriteSeSparse(extent, 8192, new Dictionary<int, byte[]?> { [0] = new byte[4096] }, 2);
        foreach (var path in new[] { cow, se })
            Assert.That(() => DiskImages.Open(path, new ImageOpenOptions { Writable = true }), Throws.TypeOf<ImageFormatException>().With.Message.Contains("only read"));
    }

    [TestCase("COWD", "descriptor")]
    [TestCase("SESPARSE", "descriptor")]
    public void Open_AnExtentByItself_SaysWhatToOpen(string kind, string reason)
    {
        var path = folder.File($"alone-{kind}.vmdk");
        if (kind == "COWD") EsxForge.WriteCowd(path, 16384, 1, new Dictionary<int, byte[]> { [0] = new byte[512] }, 2);
        else EsxForge.WriteSeSparse(path, 8192, new Dictionary<int, byte[]?> { [0] = new byte[4096] }, 2);
        Assert.That(() => DiskImages.Open(path), Throws.TypeOf<ImageFormatException>().With.Message.Contains(reason));
    }

    private static void MustMatch(string path, byte[] expected)
    {
        using var image = DiskImages.Open(path);
        image.ReadAll().MustBe(expected);
        image.ReadByMap().MustBe(expected);
        Assert.That(image.Check().Where(f => f.IsDamage), Is.Empty);
        QemuImg.Contents(path, "vmdk").MustBe(expected, "qemu");
        QemuMapReferee.MustMapAlike(image, QemuImg.Map(path, "vmdk"));
    }

    private static void RequireRefused(string path, string field) =>
        Assert.That(() =>
        {
            using var image = DiskImages.Open(path);
            DiskContents.ReadAll(image);
        }, Throws.TypeOf<ImageFormatException>().With.Property(nameof(ImageFormatException.Field)).Contains(field));

    private string Descriptor(string name, string createType, string type, long sectors, out string extent)
    {
        extent = folder.File($"{name}-delta.vmdk");
        var path = folder.File($"{name}.vmdk");
        EsxForge.WriteDescriptor(path, createType, $"RW {sectors} {type} \"{name}-delta.vmdk\"", 0x12345678);
        return path;
    }

    /// <summary>Grains at random places, some in runs, written into the disk as well.</summary>
    private static Dictionary<int, byte[]> Grains(byte[] disk, int grainBytes, int seed, bool clear = true)
    {
        if (clear) disk.AsSpan().Clear();
        var random = new Random(seed);
        var grains = new Dictionary<int, byte[]>();
        var count = (disk.Length + grainBytes - 1) / grainBytes;
        for (var i = 0; i < 40; i++)
        {
            var at = i == 0 ? count - 1 : random.Next(count);
            for (var run = random.Next(1, 20); run > 0 && at < count; run--, at++)
            {
                var bytes = DiskContents.Random(seed + (i * 100) + run, Math.Min(grainBytes, disk.Length - (at * grainBytes)));
                grains[at] = bytes;
                bytes.CopyTo(disk, at * grainBytes);
            }
        }

        return grains;
    }

    private static Dictionary<int, byte[]?> SeGrains(byte[] disk, int seed, bool clear = true)
    {
        var random = new Random(seed + 1);
        var grains = new Dictionary<int, byte[]?>();
        foreach (var (grain, bytes) in Grains(disk, 4096, seed, clear))
        {
            grains[grain] = random.Next(6) switch { 0 => [], 1 => null, _ => bytes };
            if (grains[grain] is not { Length: > 0 }) disk.AsSpan(grain * 4096, bytes.Length).Clear();
        }

        return grains;
    }

    private static void Patch(string path, long offset, ulong value, int bytes)
    {
        using var file = File.OpenWrite(path);
        file.Position = offset;
        file.Write(BitConverter.GetBytes(value).AsSpan(0, bytes));
    }
}
