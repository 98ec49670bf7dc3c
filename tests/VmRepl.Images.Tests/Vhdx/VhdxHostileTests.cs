using System.Buffers.Binary;
using System.Diagnostics;
using VmRepl.Images.Opening;

namespace VmRepl.Images.Tests.Vhdx;

/// <summary>Damaged and malicious files: contents or a typed error, never a crash, a hang or a huge allocation. And children of other disks.</summary>
internal sealed class VhdxHostileTests
{
    private const int MiB = 1 << 20;
    private readonly TestFolder folder = new();
    private byte[] pristine = [];

    [OneTimeSetUp]
    public void MakeFile()
    {
        var path = folder.File("pristine.vhdx");
        using (var image = DiskImages.Create(path, ImageFormat.Vhdx, 6 * MiB))
        {
            image.Write(0, DiskContents.Random(1, 2 * MiB));
            image.Write(4 * MiB, DiskContents.Random(2, 4096));
        }

        pristine = File.ReadAllBytes(path);
    }

    [OneTimeTearDown]
    public void RemoveFolder() => folder.Dispose();

    [Test]
    public void Open_CutAtAnyPlace_IsRefusedOrSoundUpToTheCut()
    {
        var random = new Random(1);
        int[] cuts = [.. Enumerable.Range(0, 100).Select(_ => random.Next(pristine.Length)), 0, 8, 65536, 69631, 262144, 327679, MiB, 2 * MiB, 3 * MiB, 4 * MiB];
        foreach (var cut in cuts) RequireContentsOrTypedError(pristine[..cut]);
    }

    [Test]
    public void Open_WithFlippedBits_IsRefusedOrRead()
    {
        var random = new Random(2);
        var forge = new VhdxForge([.. pristine]);
        int[] places = [0x10000, 0x20000, 0x30000, 0x40000, forge.Metadata, forge.Metadata + 65536, forge.Bat];
        for (var i = 0; i < 600; i++)
        {
            var bytes = (byte[])pristine.Clone();
            var at = places[random.Next(places.Length)] + random.Next(128);
            bytes[at] ^= (byte)(1 << random.Next(8));
            RequireContentsOrTypedError(bytes);
        }
    }

    [TestCase("block size", 0, 0x12345678UL, "BlockSize")]
    [TestCase("block size", 0, 0UL, "BlockSize")]
    [TestCase("disk size", 0, ulong.MaxValue, "VirtualDiskSize")]
    [TestCase("disk size", 0, (64UL << 40) + 512, "VirtualDiskSize")]
    [TestCase("disk size", 0, 64UL << 40, "block allocation table")]
    [TestCase("disk size", 0, 513UL, "VirtualDiskSize")]
    [TestCase("sector size", 0, 1024UL, "sector size")]
    [TestCase("metadata", 32 + 16, 16UL, "Offset")]
    [TestCase("metadata", 32 + 16, 0xFFFFFFFFUL, "metadata item")]
    [TestCase("metadata", 32, 99UL, "metadata item")]
    [TestCase("metadata", 8, 0xFFFF0000UL, "EntryCount")]
    [TestCase("bat", 0, (1UL << 62) | 6, "BAT entry")]
    [TestCase("bat", 0, 6UL, "BAT entry")]
    [TestCase("bat", 0, (1UL << 20) | 6, "BAT entry")]
    [TestCase("bat", 0, 7UL, "partially present")]
    [TestCase("bat", 0, 4UL, "reserved")]
    [TestCase("region", 16 + 16, 0UL, "region")]
    [TestCase("region", 16 + 16, ulong.MaxValue - 0xFFFFF, "region")]
    [TestCase("region", 8, 0xFFFFUL, "EntryCount")]
    [TestCase("region", 8, 1UL, "region")]
    [TestCase("header", 66, 2UL, "Version")]
    [TestCase("header", 68, 0xFFF00000UL, "before the file's end")]
    [TestCase("header", 68, 4096UL, "LogLength")]
    [TestCase("header", 72, 1UL << 50, "LogOffset")]
    public void Read_WithAHostileField_IsRefusedByATypedErrorThatNamesIt(string where, int offset, ulong value, string field)
    {
        var forge = new VhdxForge([.. pristine]);
        if (where == "header")
        {
            forge.SetHeaders(offset, offset == 72 ? BitConverter.GetBytes(value) : offset == 68 ? BitConverter.GetBytes((uint)value) : BitConverter.GetBytes((ushort)value));
        }
        else
        {
            var at = where switch
            {
                "block size" => forge.Item(new Guid("caa16737-fa36-4d43-b3b6-33f0aa44e76b").ToByteArray()),
                "disk size" => forge.Item(new Guid("2fa54224-cd1b-4876-b211-5dbed83bf4b8").ToByteArray()),
                "sector size" => forge.Item(new Guid("8141bf1d-a96f-4709-ba47-f233a8faab5f").ToByteArray()),
                "metadata" => forge.Metadata,
                "bat" => forge.Bat,
                _ => 0x30000,
            };
            var isWide = where is "disk size" or "bat" || (where == "region" && offset != 8);
            if (isWide) BinaryPrimitives.WriteUInt64LittleEndian(forge.File.AsSpan(at + offset), value);
            else BinaryPrimitives.WriteUInt32LittleEndian(forge.File.AsSpan(at + offset), (uint)value);
            if (where == "region") forge.SealRegionTables();
        }

        var path = folder.File($"{Guid.NewGuid():n}.vhdx");
        File.WriteAllBytes(path, forge.File);
        Assert.That(() => ReadWhole(path), Throws.TypeOf<ImageFormatException>().With.Message.Contains(field));
    }

    [Test]
    public void Check_OfBlocksOneOverTheOther_FindsThem_AndWritingIsRefused()
    {
        var forge = new VhdxForge([.. pristine]);
        forge.SetBatEntry(1, forge.BatEntry(0));
        var path = folder.File("overlap.vhdx");
        File.WriteAllBytes(path, forge.File);
        using (var image = DiskImages.Open(path)) Assert.That(image.Check().Count(f => f.IsDamage && f.Message.Contains("where another one lies", StringComparison.Ordinal)), Is.EqualTo(1));
        Assert.That(() => DiskImages.Open(path, new ImageOpenOptions { Writable = true }), Throws.TypeOf<ImageFormatException>());
        DiskContents.RequireSame(File.ReadAllBytes(path), forge.File);
    }

    /// <summary>Found by the fuzzer: the update of a header whose sequence cannot go on ended in an arithmetic overflow, after the first writes.</summary>
    [TestCase(ulong.MaxValue)]
    [TestCase(ulong.MaxValue - 1)]
    public void Write_AfterASequenceAtItsEnd_IsRefusedAndReadingIsNot(ulong sequence)
    {
        var forge = new VhdxForge([.. pristine]);
        forge.SetHeader(0x20000, 8, BitConverter.GetBytes(sequence));
        var path = folder.File("sequence.vhdx");
        File.WriteAllBytes(path, forge.File);
        Assert.That(ReadWhole(path), Has.Length.EqualTo(6 * MiB));
        Assert.That(() => DiskImages.Open(path, new ImageOpenOptions { Writable = true }), Throws.TypeOf<ImageFormatException>().With.Property("Field").EqualTo("SequenceNumber"));
        DiskContents.RequireSame(File.ReadAllBytes(path), forge.File);
    }

    [Test]
    public void Open_TwoHeadersOfOneSequence_IsRefusedUnlessTheyAreIdentical()
    {
        var forge = new VhdxForge([.. pristine]);
        forge.SetHeaders(8, BitConverter.GetBytes(77UL));
        forge.File.AsSpan(0x10000, 4096).ToArray().CopyTo(forge.File, 0x20000);
        var path = folder.File("headers.vhdx");
        File.WriteAllBytes(path, forge.File);
        Assert.That(ReadWhole(path), Has.Length.EqualTo(6 * MiB), "Disk2vhd writes two identical headers");
        forge.SetHeader(0x20000, 16, Guid.NewGuid().ToByteArray());
        File.WriteAllBytes(path, forge.File);
        Assert.That(() => ReadWhole(path), Throws.TypeOf<ImageFormatException>().With.Message.Contains("differ"));
    }

    [Test]
    public void Read_ADifferencingDisk_MixesSectorsOfChildAndParent()
    {
        ExternalTool.Require("7zz");
        var (child, parentGuid, expected) = MakeChild();
        using (var image = DiskImages.Open(child))
        {
            DiskContents.RequireSame(DiskContents.ReadAll(image), expected);
            Assert.That(image.Files, Has.Count.EqualTo(2));
            Assert.That(image.Map(0, 5 * MiB).Select(r => (r.Offset, r.Depth)).Take(5), Is.EqualTo(new[]
            {
                (0L, 1), (512L, 0), (1536L, 1), (2L * MiB, 0), (3L * MiB, 1),
            }));
        }

        DiskContents.RequireSame(DiskContents.ReadBy7Zip(folder, child), expected, "7-Zip");
        Assert.That(parentGuid, Is.Not.EqualTo(Guid.Empty));
    }

    [Test]
    public void Open_AChildWhoseParentWasWritten_IsRefused()
    {
        var (child, _, _) = MakeChild();
        using (var parent = DiskImages.Open(Path.Combine(Path.GetDirectoryName(child)!, "parent.vhdx"), new ImageOpenOptions { Writable = true })) parent.Write(0, new byte[512]);
        Assert.That(() => DiskImages.Open(child), Throws.TypeOf<ImageFormatException>().With.Message.Contains("parent_linkage"));
    }

    [TestCase(@"..\elsewhere\parent.vhdx")]
    [TestCase(@"c:\disks\parent.vhdx")]
    [TestCase("/etc/passwd")]
    public void Open_AChildOfAParentOutside_IsRefused(string parent)
    {
        var forge = new VhdxForge([.. pristine]);
        forge.SetParent(Guid.NewGuid(), parent);
        var path = folder.File($"{Guid.NewGuid():n}.vhdx");
        File.WriteAllBytes(path, forge.File);
        Assert.That(() => DiskImages.Open(path), Throws.TypeOf<ReferenceRefusedException>());
    }

    [Test]
    public void Open_AChildOfItself_IsRefused()
    {
        var forge = new VhdxForge([.. pristine]);
        forge.SetParent(forge.DataWriteGuid, @".\self.vhdx");
        var path = folder.File("self.vhdx");
        File.WriteAllBytes(path, forge.File);
        Assert.That(() => DiskImages.Open(path), Throws.TypeOf<ImageFormatException>().With.Message.Contains("already part"));
    }

    /// <summary>A child of the pristine disk: block 0 partially present with sectors 1 and 2 of its own, block 2 its own, block 4 zeros.</summary>
    private (string Child, Guid ParentGuid, byte[] Expected) MakeChild()
    {
        var home = Directory.CreateDirectory(folder.File($"{Guid.NewGuid():n}")).FullName;
        var parent = Path.Combine(home, "parent.vhdx");
        File.WriteAllBytes(parent, pristine);
        var parentGuid = new VhdxForge([.. pristine]).DataWriteGuid;
        var path = Path.Combine(home, "child.vhdx");
        using (var image = DiskImages.Create(path, ImageFormat.Vhdx, 6 * MiB))
        {
            image.Write(0, DiskContents.Random(11, MiB));
            image.Write(2 * MiB, DiskContents.Random(12, 4096));
        }

        var forge = new VhdxForge(File.ReadAllBytes(path));
        forge.SetParent(parentGuid, @".\parent.vhdx");
        var bitmap = forge.AddMiB([0b110]);
        forge.SetBatEntry(0, (forge.BatEntry(0) & ~7UL) | 7);
        forge.SetBatEntry(4, 2);
        forge.SetBatEntry(4096, (ulong)bitmap | 6);
        File.WriteAllBytes(path, forge.File);

        var expected = new byte[6 * MiB];
        DiskContents.Random(1, 2 * MiB).CopyTo(expected, 0);
        DiskContents.Random(11, MiB).AsSpan(512, 1024).CopyTo(expected.AsSpan(512));
        DiskContents.Random(12, 4096).CopyTo(expected, 2 * MiB);
        return (path, parentGuid, expected);
    }

    private void RequireContentsOrTypedError(byte[] bytes) => DamagedImage.RequireContentsOrTypedError(folder.File("damaged.vhdx"), bytes, ImageFormat.Vhdx, 128);

    private static byte[] ReadWhole(string path)
    {
        using var image = DiskImages.Open(path);
        return DiskContents.ReadAll(image);
    }
}
