using System.Buffers.Binary;
using System.Text;
using VmRepl.Fuzz.Trials;
using VmRepl.Images.Opening;

namespace VmRepl.Images.Tests.Vhd;

/// <summary>Damaged and malicious files: contents or a typed error, never a crash, a hang or a huge allocation; and names that lead elsewhere.</summary>
internal sealed class VhdHostileTests
{
    private const int MiB = 1 << 20;

    private readonly TestFolder folder = new();

    [OneTimeTearDown]
    public void RemoveFolder() => folder.Dispose();

    [TestCase("footer", 12, 2, 0x00020000UL, "File Format Version")]
    [TestCase("footer", 60, 4, 0UL, "Disk Type")]
    [TestCase("footer", 60, 4, 6UL, "Disk Type")]
    [TestCase("footer", 48, 8, ulong.MaxValue, "Current Size")]
    [TestCase("footer", 48, 8, (2040UL << 30) + 512, "Current Size")]
    [TestCase("footer", 48, 8, 0UL, "Current Size")]
    [TestCase("footer", 48, 8, 1000UL, "Current Size")]
    [TestCase("footer", 48, 8, 2040UL << 30, "Max Table Entries")]
    [TestCase("footer", 16, 8, 0UL, "Data Offset")]
    [TestCase("footer", 16, 8, ulong.MaxValue, "Data Offset")]
    [TestCase("footer", 16, 8, 1UL << 40, "Data Offset")]
    [TestCase("footer", 16, 8, 1024UL, "Cookie")]
    [TestCase("header", 0, 4, 0UL, "Cookie")]
    [TestCase("header", 24, 4, 0x00020000UL, "Header Version")]
    [TestCase("header", 32, 4, 0UL, "Block Size")]
    [TestCase("header", 32, 4, 256UL, "Block Size")]
    [TestCase("header", 32, 4, 3UL << 20, "Block Size")]
    [TestCase("header", 32, 4, 512UL, "Max Table Entries")]
    [TestCase("header", 28, 4, 2UL, "Max Table Entries")]
    [TestCase("header", 28, 4, 0xFFFFFFFFUL, "Table Offset")]
    [TestCase("header", 16, 8, ulong.MaxValue, "Table Offset")]
    [TestCase("header", 16, 8, 0UL, "Table Offset")]
    [TestCase("header", 16, 8, 1000UL, "Table Offset")]
    [TestCase("header", 16, 8, 1UL << 50, "Table Offset")]
    [TestCase("entry", 0, 4, 0UL, "BAT entry")]
    [TestCase("entry", 0, 4, 3UL, "BAT entry")]
    [TestCase("entry", 0, 4, 0xFFFFFFFEUL, "BAT entry")]
    public void Read_WithAHostileField_IsRefusedByATypedErrorThatNamesIt(string where, int offset, int width, ulong value, string field)
    {
        var forge = Pristine();
        var file = forge.Build();
        var bytes = new byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, value);
        bytes = where == "footer" && width == 2 ? bytes[4..6] : bytes[(8 - width)..];
        switch (where)
        {
            case "footer":
                VhdForge.PatchFooters(file, offset, bytes);
                break;
            case "header":
                bytes.CopyTo(file, forge.HeaderAt + offset);
                VhdForge.Seal(file, forge.HeaderAt, 1024, 36);
                break;
            default:
                bytes.CopyTo(file, forge.TableAt + offset);
                break;
        }

        var path = Write(file);
        Assert.That(() => ReadWhole(path), Throws.TypeOf<ImageFormatException>().With.Message.Contains(field));
    }

    [Test]
    public void Read_WithADamagedHeader_NamesBothChecksums()
    {
        var forge = Pristine();
        var file = forge.Build();
        file[forge.HeaderAt + 1000] ^= 1;
        Assert.That(() => ReadWhole(Write(file)), Throws.TypeOf<ImageFormatException>().With.Message.Contains("Checksum").And.Message.Contains("the bytes give"));
    }

    [Test]
    public void Read_BlocksOneOverTheOther_IsAnErrorForThemAndForNoOther_AndWritingIsRefused([Values(0, 512, -512)] int shift)
    {
        var forge = Pristine();
        var file = forge.Build();
        BinaryPrimitives.WriteUInt32BigEndian(file.AsSpan(forge.TableAt + 4), (uint)((forge.BlockAt[0] + Math.Abs(shift)) / 512));
        if (shift < 0)
        {
            BinaryPrimitives.WriteUInt32BigEndian(file.AsSpan(forge.TableAt), (uint)((forge.BlockAt[0] + 512) / 512));
            BinaryPrimitives.WriteUInt32BigEndian(file.AsSpan(forge.TableAt + 4), (uint)(forge.BlockAt[0] / 512));
        }

        var path = Write(file);
        using (var image = DiskImages.Open(path))
        {
            var block = new byte[2 * MiB];
            Assert.That(() => image.Read(0, block), Throws.TypeOf<ImageFormatException>().With.Message.Contains("another one lies"));
            Assert.That(() => image.Read(2 * MiB, block), Throws.TypeOf<ImageFormatException>().With.Message.Contains("another one lies"));
            Assert.That(() => image.Map(0, 4 * MiB).Count(), Throws.TypeOf<ImageFormatException>());
            image.Read(6 * MiB, block.AsSpan(0, MiB));
            Assert.That(block[0], Is.EqualTo(DiskContents.Random(3, 1)[0]));
            Assert.That(image.Check().Count(f => f.IsDamage), Is.EqualTo(2));
        }

        Assert.That(() => DiskImages.Open(path, new ImageOpenOptions { Writable = true }), Throws.TypeOf<ImageFormatException>());
        File.ReadAllBytes(path).MustBe(file, "left alone");
    }

    [TestCase(true)]
    [TestCase(false)]
    public void Open_ATableOfFourMillionDamagedEntries_IsFoundInASecondAndBoundedMemory(bool isOutside)
    {
        var forge = new VhdForge { Size = 2040L << 30, BlockSize = 1 << 19 };
        forge.Blocks.Add((0, null, new byte[1 << 19]));
        var file = forge.Build();
        var entry = file[forge.TableAt..(forge.TableAt + 4)];
        if (isOutside) entry[0] = 0x7F;
        for (var i = 0; i < (2040L << 30) / (1 << 19); i++) entry.CopyTo(file, forge.TableAt + (i * 4));
        var path = Write(file);
        var started = ThreadClock.Now;
        var before = GC.GetTotalAllocatedBytes();
        using (var image = DiskImages.Open(path))
        {
            // So many are not looked at in advance: what lies over another block is read, and what lies outside the file is not.
            if (isOutside) Assert.That(() => image.Read(1L << 40, new byte[512]), Throws.TypeOf<ImageFormatException>().With.Message.Contains("BAT entry"));
            else Assert.That(() => image.Read(1L << 40, new byte[512]), Throws.Nothing);
            Assert.That(GC.GetTotalAllocatedBytes() - before, Is.LessThan(64L * MiB));
            Assert.That(ThreadClock.Now - started, Is.LessThan(TimeSpan.FromSeconds(1)), "processor time");
            Assert.That(image.Check().Count(f => f.IsDamage), Is.EqualTo(101));
        }

        Assert.That(() => DiskImages.Open(path, new ImageOpenOptions { Writable = true }), Throws.TypeOf<ImageFormatException>());
    }

    [Test]
    public void Open_CutAtAnyPlace_IsRefusedOrSoundUpToTheCut()
    {
        var file = Pristine().Build();
        var random = new Random(1);
        int[] cuts = [.. Enumerable.Range(0, 60).Select(_ => random.Next(file.Length)), 0, 8, 510, 511, 512, 1023, 1024, 1535, 1536, 1537, 2048, file.Length - 512, file.Length - 511, file.Length - 1];
        foreach (var cut in cuts) RequireContentsOrTypedError(file[..cut]);
    }

    [Test]
    public void Open_WithFlippedBits_IsRefusedOrRead([Values] bool isResealed)
    {
        var random = new Random(2);
        var forge = Pristine();
        var pristine = forge.Build();
        int[] places = [0, pristine.Length - 512, forge.HeaderAt, forge.HeaderAt + 512, forge.TableAt];
        for (var i = 0; i < 400; i++)
        {
            var file = (byte[])pristine.Clone();
            var at = places[random.Next(places.Length)];
            file[at + random.Next(at == forge.TableAt ? 16 : 100)] ^= (byte)(1 << random.Next(8));
            if (isResealed)
            {
                VhdForge.Seal(file, 0, 512, 64);
                VhdForge.Seal(file, file.Length - 512, 512, 64);
                VhdForge.Seal(file, forge.HeaderAt, 1024, 36);
            }

            RequireContentsOrTypedError(file);
        }
    }

    [Test]
    public void Open_AFixedDiskThatIsCut_IsRefused()
    {
        var path = Write([.. new byte[MiB], .. new VhdForge { Size = MiB + 512, Type = 2 }.Footer()]);
        Assert.That(() => DiskImages.Open(path, new ImageOpenOptions { Format = ImageFormat.Vhd }), Throws.TypeOf<ImageFormatException>().With.Message.Contains("Current Size"));
    }

    [TestCase(VhdForge.Relative, @"..\elsewhere\parent.vhd")]
    [TestCase(VhdForge.Relative, @"c:\disks\parent.vhd")]
    [TestCase(VhdForge.Relative, @"\\server\share\parent.vhd")]
    [TestCase(VhdForge.Relative, "/etc/passwd")]
    [TestCase(VhdForge.Relative, "json:{}")]
    [TestCase(VhdForge.Url, "file:///etc/passwd")]
    [TestCase(VhdForge.Url, "http://localhost/parent.vhd")]
    [TestCase(VhdForge.Url, "file://%2e%2e/parent.vhd")]
    public void Open_AChildOfAParentOutside_IsRefused(uint code, string name)
    {
        var child = new VhdForge { Size = MiB, Type = 4 };
        child.Locators.Add((code, (code == VhdForge.Url ? Encoding.UTF8 : Encoding.Unicode).GetBytes(name)));
        Assert.That(() => DiskImages.Open(Write(child.Build())), Throws.TypeOf<ReferenceRefusedException>());
    }

    [Test]
    public void Open_AChildOfItself_OrOfNobody_IsRefused()
    {
        var path = folder.File("self.vhd");
        var child = new VhdForge { Size = MiB, Type = 4, ParentName = "self.vhd" };
        File.WriteAllBytes(path, child.Build());
        Assert.That(() => DiskImages.Open(path), Throws.TypeOf<ImageFormatException>().With.Message.Contains("already part"));
        Assert.That(() => DiskImages.Open(Write(new VhdForge { Size = MiB, Type = 4 }.Build())), Throws.TypeOf<ImageFormatException>().With.Message.Contains("Parent Unicode Name"));
        Assert.That(() => DiskImages.Open(Write(new VhdForge { Size = MiB, Type = 4, ParentName = "none.vhd" }.Build())), Throws.TypeOf<ImageFormatException>().With.Message.Contains("does not exist"));
    }

    [Test]
    public void Open_AChainDeeperThanTheBound_IsRefused()
    {
        var home = Directory.CreateDirectory(folder.File("deep")).FullName;
        var id = Guid.NewGuid();
        File.WriteAllBytes(Path.Combine(home, "0.vhd"), new VhdForge { Size = MiB, Id = id }.Build());
        for (var i = 1; i <= 64; i++)
        {
            var next = Guid.NewGuid();
            File.WriteAllBytes(Path.Combine(home, $"{i}.vhd"), new VhdForge { Size = MiB, Type = 4, Id = next, ParentId = id, ParentName = $"{i - 1}.vhd" }.Build());
            id = next;
        }

        using (var image = DiskImages.Open(Path.Combine(home, "63.vhd"))) Assert.That(image.Files, Has.Count.EqualTo(64));
        Assert.That(() => DiskImages.Open(Path.Combine(home, "64.vhd")), Throws.TypeOf<ImageFormatException>().With.Message.Contains("deeper"));
    }

    [TestCase(1 << 30, 10)]
    [TestCase(16384, 10)]
    [TestCase(11, 10)]
    public void Open_AChildWithALocatorThatIsNoText_IsRefused(int length, int bytes)
    {
        var child = new VhdForge { Size = MiB, Type = 4 };
        child.Locators.Add((VhdForge.Relative, new byte[bytes]));
        var file = child.Build();
        BinaryPrimitives.WriteInt32BigEndian(file.AsSpan(child.HeaderAt + 576 + 8), length);
        VhdForge.Seal(file, child.HeaderAt, 1024, 36);
        Assert.That(() => DiskImages.Open(Write(file)), Throws.TypeOf<ImageFormatException>().With.Message.Contains("locator").Or.Message.Contains("Platform Data Offset"));
    }

    /// <summary>7 MiB in blocks of 2 MiB: 0, 1 and the half one at the end.</summary>
    private static VhdForge Pristine()
    {
        var forge = new VhdForge { Size = 7 * MiB };
        foreach (var block in new[] { 0, 1, 3 }) forge.Blocks.Add((block, null, DiskContents.Random(block, 2 * MiB)));
        return forge;
    }

    private string Write(byte[] file)
    {
        var path = folder.File($"{Guid.NewGuid():n}.vhd");
        File.WriteAllBytes(path, file);
        return path;
    }

    private void RequireContentsOrTypedError(byte[] bytes) => DamagedImage.RequireContentsOrTypedError(folder.File("damaged.vhd"), bytes, ImageFormat.Vhd, 64);

    private static byte[] ReadWhole(string path)
    {
        using var image = DiskImages.Open(path, new ImageOpenOptions { Format = ImageFormat.Vhd });
        return DiskContents.ReadAll(image);
    }
}
