using System.Globalization;
using System.Text;
using VmRepl.Blocks;
using VmRepl.Images.Tests.Variants;

namespace VmRepl.Images.Tests.Vmdk;

/// <summary>Hosted sparse extents and descriptors of kinds that no tool here makes.</summary>
internal sealed class SparseForgedTests
{
    private const int MiB = 1 << 20;
    private readonly TestFolder folder = new();

    [OneTimeTearDown]
    public void RemoveFolder() => folder.Dispose();

    [Variant("VMDK", "hosted sparse: grains of 4 KiB to 1 MiB, tables of 1 to 512 entries, missing tables, no redundant directory, versions 1 to 3, sizes that are no whole grain", Referee = "generator, qemu-img", Map = "qemu-img")]
    [TestCase(8, 512, 1u, true, (20 << 11) + 3)]
    [TestCase(8, 16, 1u, false, 20 << 11)]
    [TestCase(16, 1, 2u, true, (5 << 11) + 7)]
    [TestCase(64, 100, 1u, true, 90 << 11)]
    [TestCase(128, 512, 3u, false, (90 << 11) + 1)]
    [TestCase(256, 512, 2u, true, 200 << 11)]
    [TestCase(2048, 512, 1u, true, (60 << 11) + 100)]
    public void Read_AHostedSparseDisk_IsWhatWasForged(int grainSectors, int tableEntries, uint version, bool isRedundant, int sectors)
    {
        ExternalTool.Require("qemu-img");
        var path = folder.File($"sparse{grainSectors}-{tableEntries}.vmdk");
        var expected = new byte[sectors * 512];
        var forge = new SparseForge
        {
            Sectors = sectors,
            GrainSectors = grainSectors,
            TableEntries = tableEntries,
            Version = version,
            IsRedundant = isRedundant,
            HasZeroedGrains = version == 2,
            Descriptor = $"# Disk DescriptorFile\nversion=1\nCID=7a3b5c9d\nparentCID=ffffffff\ncreateType=\"monolithicSparse\"\nRW {sectors} SPARSE \"x.vmdk\"\nddb.adapterType = \"ide\"\n",
            Grains = Grains(expected, grainSectors * 512, version == 2, grainSectors + tableEntries),
        };
        forge.Write(path, 3);
        using var image = DiskImages.Open(path);
        image.ReadAll().MustBe(expected);
        image.ReadByMap().MustBe(expected);
        Assert.That(image.Check().Where(f => f.IsDamage), Is.Empty);
        QemuImg.Contents(path, "vmdk").MustBe(expected, "qemu");
        QemuMapReferee.MustMapAlike(image, QemuImg.Map(path, "vmdk"));
    }

    [Variant("VMDK", "grain directory of 128 MiB, the largest that is read: a page at a time", Referee = "generator", Map = "generator")]
    [Test]
    public void Read_ADiskWithAHugeDirectory_TakesLittleMemory()
    {
        // A table for each grain of 4 KiB: 2^25 of them.
        const int tables = 1 << 25;
        var path = folder.File("huge.vmdk");
        var grains = new Dictionary<int, byte[]> { [0] = DiskContents.Random(1, 4096), [5_000_000] = DiskContents.Random(2, 4096), [tables - 1] = DiskContents.Random(3, 4096) };
        new SparseForge
        {
            Sectors = 8L * tables,
            GrainSectors = 8,
            TableEntries = 1,
            IsRedundant = false,
            Descriptor = $"# Disk DescriptorFile\nversion=1\nCID=7a3b5c9d\nparentCID=ffffffff\ncreateType=\"monolithicSparse\"\nRW {8L * tables} SPARSE \"x.vmdk\"\n",
            Grains = grains,
        }.Write(path, 5);
        var before = GC.GetTotalAllocatedBytes();
        using var image = DiskImages.Open(path);
        foreach (var (grain, bytes) in grains)
        {
            var read = new byte[4096];
            image.Read(grain * 4096L, read);
            read.MustBe(bytes, $"grain {grain}");
        }

        Assert.That(GC.GetTotalAllocatedBytes() - before, Is.LessThan(8 * MiB));
        Assert.That(image.Map(4_900_000 * 4096L, 200_000 * 4096L).Where(r => r.HasData).Select(r => r.Extent), Is.EqualTo(new[] { new Extent(5_000_000 * 4096L, 4096) }));
    }

    [Variant("VMDK", "separate descriptor of mixed extents: sparse, flat at an offset, ZERO, RDONLY", Referee = "generator", Map = "generator")]
    [TestCase("\n", "{0}={1}")]
    [TestCase("\r\n", "{0} = {1}")]
    public void Read_ADescriptorOfMixedExtents_PutsThemOneBehindTheOther(string newline, string form)
    {
        var name = newline.Length == 1 ? "mixed" : "mixed-crlf";
        var sparse = new byte[3 * MiB];
        new SparseForge { Sectors = sparse.Length / 512, Grains = Grains(sparse, 65536, false, 9) }.Write(folder.File($"{name}-s.vmdk"), 4);
        var flat = DiskContents.Random(5, 2 * MiB);
        File.WriteAllBytes(folder.File($"{name} é-f.vmdk"), flat);
        string Key(string key, string value) => string.Format(CultureInfo.InvariantCulture, form, key, value);
        string[] lines =
        [
            "# Disk DescriptorFile", Key("VERSION", "1"), Key("encoding", "\"UTF-8\""), Key("cid", "7a3b5c9d"), Key("ParentCID", "FFFFFFFF"), Key("createType", "\"custom\""), "",
            $"RW 1024\tFLAT \"{name} é-f.vmdk\" 2048", "RW 3000 ZERO", $"RDONLY {sparse.Length / 512} SPARSE \"{name}-s.vmdk\"", "rw 8 zero", "", "ddb.unknown = \"=\"", "",
        ];
        var path = folder.File($"{name}.vmdk");
        File.WriteAllText(path, string.Join(newline, lines));
        byte[] expected = [.. flat[MiB..(MiB + (1024 * 512))], .. new byte[3000 * 512], .. sparse, .. new byte[8 * 512]];
        using var image = DiskImages.Open(path);
        image.ReadAll().MustBe(expected);
        image.ReadByMap().MustBe(expected);
        var runs = image.Map(0, image.Length).ToList();
        Assert.That(runs[0], Is.EqualTo(new MapExtent(0, 1024 * 512, BlockState.Data, 0, MiB)));
        Assert.That(runs[1], Is.EqualTo(new MapExtent(1024 * 512, 3000 * 512, BlockState.Zero)));
        Assert.That(runs[^1].State, Is.EqualTo(BlockState.Zero));
        Assert.That(image.Files, Has.Count.EqualTo(3));
    }

    [Variant("VMDK", "descriptor in another encoding (windows-1252, ISO-8859-1)", Referee = "generator")]
    [TestCase("windows-1252")]
    [TestCase("ISO-8859-1")]
    public void Read_ADescriptorOfWindows_FindsAFileWithANameInItsEncoding(string encoding)
    {
        var flat = DiskContents.Random(6, MiB);
        File.WriteAllBytes(folder.File($"Größe {encoding}-flat.vmdk"), flat);
        var path = folder.File($"{encoding}.vmdk");
        File.WriteAllBytes(path, Encoding.Latin1.GetBytes($"# Disk DescriptorFile\nversion=1\nencoding=\"{encoding}\"\nCID=7a3b5c9d\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\nRW 2048 FLAT \"Größe {encoding}-flat.vmdk\" 0\n"));
        using var image = DiskImages.Open(path);
        image.ReadAll().MustBe(flat);
    }

    [Variant("VMDK", "descriptor that does not begin with VMware's comment, probed", Referee = "generator")]
    [TestCase("blank", "\r\n\n# Disk DescriptorFile\nversion=1\n")]
    [TestCase("comment", "# made elsewhere\n# Disk DescriptorFile\nversion=1\n")]
    [TestCase("none", "Version = \"2\"\r\n")]
    [TestCase("mark", "\uFEFF# Disk DescriptorFile\nversion=1\n")]
    [TestCase("indented", "  #Disk DescriptorFile\n\tversion=1\n")]
    public void Probe_OfADescriptorWithAnotherStart_IsVmdk(string name, string start)
    {
        var flat = DiskContents.Random(7, MiB);
        File.WriteAllBytes(folder.File($"{name}-flat.bin"), flat);
        var path = folder.File($"{name}.vmdk");
        File.WriteAllText(path, $"{start}CID=7a3b5c9d\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\nRW 2048 FLAT \"{name}-flat.bin\" 0\n");
        using var image = DiskImages.Open(path);
        Assert.That(image.Format, Is.EqualTo(ImageFormat.Vmdk));
        image.ReadAll().MustBe(flat);
    }

    [TestCase("# a shell's script\nversion=4\n")]
    [TestCase("# a shell's script\necho\nversion=1\n")]
    [TestCase("versions=1\n")]
    [TestCase("#\n#")]
    public void Probe_OfOtherText_IsRaw(string text)
    {
        var path = folder.File("text");
        File.WriteAllText(path, text);
        using var image = DiskImages.Open(path);
        Assert.That(image.Format, Is.EqualTo(ImageFormat.Raw));
    }

    private static Dictionary<int, byte[]> Grains(byte[] disk, int grainBytes, bool hasZeroed, int seed)
    {
        var random = new Random(seed);
        var grains = new Dictionary<int, byte[]>();
        var count = (disk.Length + grainBytes - 1) / grainBytes;
        for (var i = 0; i < 30; i++)
        {
            var at = i == 0 ? count - 1 : random.Next(count);
            for (var run = random.Next(1, 6); run > 0 && at < count; run--, at++)
            {
                var bytes = DiskContents.Random(seed + (i * 100) + run, Math.Min(grainBytes, disk.Length - (at * grainBytes)));
                var isZeroed = hasZeroed && random.Next(4) == 0;
                grains[at] = isZeroed ? [] : bytes;
                if (isZeroed) disk.AsSpan(at * grainBytes, bytes.Length).Clear();
                else bytes.CopyTo(disk, at * grainBytes);
            }
        }

        return grains;
    }
}
