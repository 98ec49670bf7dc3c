using System.Buffers.Binary;
using VmRepl.Fuzz.Trials;
using VmRepl.Images.Opening;
using VmRepl.Images.Qcow2;
using VmRepl.Images.Tests.Variants;

namespace VmRepl.Images.Tests.Qcow2;

/// <summary>Damaged and hostile files: each ends in contents or in one typed error, soon and without eating memory.</summary>
public sealed class Qcow2HostileTests
{
    private const int Cluster = 65536, L1At = 3 * Cluster;

    private static byte[] Sample(int clusterSize = Cluster)
    {
        var file = new MemoryFile("/memory/a.qcow2", []);
        Qcow2Creator.Write(file, 1 << 20, System.Numerics.BitOperations.Log2((uint)clusterSize));
        using (var image = MemoryFiles.Open(file, isWritable: true))
        {
            image.Write(0, Contents.Random(100_000, 1));
            image.Write(500_000, Contents.Random(100_000, 2));
        }

        var bytes = new byte[file.Length];
        file.Read(0, bytes);
        return bytes;
    }

    private static void Put32(byte[] bytes, int at, uint value) => BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(at), value);

    private static void Put64(byte[] bytes, int at, ulong value) => BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(at), value);

    private static IEnumerable<TestCaseData> Fields()
    {
        foreach (var (at, value, field) in new (int, uint, string)[]
        {
            (0, 0, "magic"), (4, 0, "version"), (4, 4, "version"), (20, 8, "cluster_bits"), (20, 22, "cluster_bits"), (20, 0xFFFFFFFF, "cluster_bits"), (32, 1, "crypt_method"),
            (32, 2, "crypt_method"), (36, 0, "l1_size"), (36, 0xFFFFFFFF, "l1_size"), (36, 4194304, "l1_table_offset"), (56, 0, "refcount_table_clusters"),
            (56, 0xFFFFFFFF, "refcount_table_clusters"), (56, 100, "refcount_table_offset"), (60, 65537, "nb_snapshots"), (96, 7, "refcount_order"), (100, 96, "header_length"),
            (100, 105, "header_length"), (100, 0x7FFFFFF8, "header_length"),
        })
            yield return new TestCaseData(at, (ulong)value << 32, 4, field).SetArgDisplayNames($"{field} {value}");
        foreach (var (at, value, field) in new (int, ulong, string)[]
        {
            (24, ulong.MaxValue, "size"), (24, 1UL << 55, "l1_size"), (40, 0, "l1_table_offset"), (40, 512, "l1_table_offset"), (40, ulong.MaxValue, "l1_table_offset"),
            (40, 1UL << 40, "l1_table_offset"), (48, 1, "refcount_table_offset"), (48, 1UL << 62, "refcount_table_offset"), (72, 4, "data file name"), (72, 8, "compression_type"),
            (72, 1UL << 63, "incompatible_features"), (72, 32, "incompatible_features"), (88, 2, "autoclear_features"), (104, 1UL << 56, "compression_type"), (104, 2UL << 56, "compression_type"),
        })
            yield return new TestCaseData(at, value, 8, field).SetArgDisplayNames($"{field} {value}");
    }

    [TestCaseSource(nameof(Fields))]
    public void HeaderField_OutOfBounds_IsRefusedByName(int at, ulong value, int size, string field)
    {
        var bytes = Sample();
        if (size == 4) Put32(bytes, at, (uint)(value >> 32));
        else Put64(bytes, at, value);
        Assert.That(() => Open(bytes), Throws.TypeOf<ImageFormatException>().With.Property(nameof(ImageFormatException.Field)).EqualTo(field));
    }

    [Test]
    public void HeaderField_WithAValueThatItMustNotHave_SaysWhatItMayBeAndWhatItIs()
    {
        var bytes = Sample();
        Put32(bytes, 20, 30);
        Assert.That(() => Open(bytes), Throws.TypeOf<ImageFormatException>().With.Property(nameof(ImageFormatException.Offset)).EqualTo(20)
            .And.Property(nameof(ImageFormatException.Expected)).EqualTo("9 to 21").And.Property(nameof(ImageFormatException.Found)).EqualTo("30")
            .And.Message.Contains("must be 9 to 21, is 30"));
    }

    [Variant("QCOW2", "unknown incompatible feature: refused by the name that the file gives it", Referee = "generator")]
    [Test]
    public void UnknownFeature_IsNamedFromTheFilesOwnTable()
    {
        var bytes = Sample();
        Put64(bytes, 72, 1UL << 17);
        bytes[112 + 8] = 0;
        bytes[112 + 9] = 17;
        "time travel\0"u8.CopyTo(bytes.AsSpan(112 + 10));
        Assert.That(() => Open(bytes), Throws.TypeOf<ImageFormatException>().With.Message.Contains("time travel"));
    }

    [TestCase(0x8000000000000200UL, TestName = "L1 entry not aligned")]
    [TestCase(0x8000000000000001UL, TestName = "L1 entry with reserved bits")]
    [TestCase(0x8000FFFFFFFF0000UL, TestName = "L1 entry past the file's end")]
    public void L1Entry_ThatIsImpossible_IsRefusedWhenRead(ulong entry)
    {
        var bytes = Sample();
        Put64(bytes, L1At, entry);
        using var image = Open(bytes);
        Assert.That(() => image.ReadAll(), Throws.TypeOf<ImageFormatException>());
        Assert.That(() => image.ReadByMap(), Throws.TypeOf<ImageFormatException>());
        Assert.That(image.Check().Any(f => f.IsDamage));
    }

    [TestCase(0x8000000000000200UL)]
    [TestCase(0x8000000000000002UL)]
    [TestCase(0x80FFFFFFFFFF0000UL)]
    [TestCase(0x8000000000000000UL)]
    [TestCase(0x0100000000000000UL)]
    [TestCase(0x4000000000000001UL)]
    [TestCase(0x40FFFFFFFFFFFFFFUL)]
    [TestCase(0x7FFFFFFFFFFFFFFFUL)]
    public void L2Entry_ThatIsImpossible_IsRefusedWhenRead(ulong entry)
    {
        var bytes = Sample();
        var l2 = (int)(BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(L1At)) & Qcow2Layout.OffsetMask);
        Put64(bytes, l2, entry);
        using var image = Open(bytes);
        Assert.That(() => image.ReadAll(), Throws.TypeOf<ImageFormatException>());
    }

    /// <summary>Found by the fuzzer: each reference far from the others took a page of counts, so that one table of 64 KiB could ask for 128 MiB.</summary>
    [Test]
    public void Check_OfReferencesFarApart_HoldsLittle()
    {
        using var folder = new TestFolder();
        var path = folder.File("scattered.qcow2");
        var bytes = Sample();
        var l2 = (int)(BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(L1At)) & Qcow2Layout.OffsetMask);
        for (var i = 0; i < Cluster / 8; i++) Put64(bytes, l2 + (i * 8), 1UL << 63 | ((ulong)(i + 1) << 25));
        WriteSparse(path, bytes, 1L << 40);
        var before = GC.GetAllocatedBytesForCurrentThread();
        using (var image = DiskImages.Open(path)) Assert.That(image.Check().Any(f => f.IsDamage));
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(32L << 20));
    }

    /// <summary>Found by the fuzzer: an L1 table that names a thousand tables in a hole of the file had each of them read, and held in a set of its own.</summary>
    [Test]
    public void Check_OfTablesInHoles_ReadsAndHoldsLittle()
    {
        using var folder = new TestFolder();
        var path = folder.File("holes.qcow2");
        var bytes = Sample();
        Put32(bytes, 36, (uint)Cluster * 32 / 8);
        Array.Resize(ref bytes, bytes.Length + (Cluster * 32));
        Put64(bytes, 40, (ulong)(bytes.Length - (Cluster * 32)));
        bytes.AsSpan(L1At, Cluster).CopyTo(bytes.AsSpan(bytes.Length - (Cluster * 32)));
        for (var i = 1; i < Cluster * 32 / 8; i++) Put64(bytes, bytes.Length - (Cluster * 32) + (i * 8), (ulong)(i + 4096) * Cluster);
        WriteSparse(path, bytes, 1L << 36);
        var began = ThreadClock.Now;
        var before = GC.GetAllocatedBytesForCurrentThread();
        using (var image = DiskImages.Open(path)) Assert.That(image.Check().Any(f => f.IsDamage), "the file has no contents for so many tables");
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(64L << 20));
        Assert.That(ThreadClock.Now - began, Is.LessThan(TimeSpan.FromSeconds(5)));
    }

    /// <summary>Found by the fuzzer: a bitmap directory of 64 MiB, the most that there may be, was held whole to look at one entry.</summary>
    [Test]
    public void Check_OfALongBitmapDirectory_HoldsLittle()
    {
        using var folder = new TestFolder();
        var path = folder.File("bitmaps.qcow2");
        var bytes = Sample();
        bytes.AsSpan(112, 256).Clear();
        Put32(bytes, 112, 0x23852875);
        Put32(bytes, 116, 24);
        Put32(bytes, 120, 1);
        Put64(bytes, 128, 64 << 20);
        Put64(bytes, 136, 256 << 20);
        Put64(bytes, 88, 1);
        WriteSparse(path, bytes, 1L << 30);
        var before = GC.GetAllocatedBytesForCurrentThread();
        using (var image = DiskImages.Open(path))
        {
            Assert.That(image.Check().Where(f => f.IsDamage).Select(f => f.Message), Has.Some.Contains("referenced 1 times, its refcount is 0"), "the directory was looked at");
        }

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(16L << 20));
    }

    /// <summary>Space that is lost by the thousand must not crowd out the one fault for which the image is not written.</summary>
    [Test]
    public void Check_OfMoreLeaksThanAreListed_StillFindsTheDamage()
    {
        var bytes = Sample(512);
        // Every cluster from the fourth block's first on counts as used by nobody; one in use says that nobody shares it, and two entries name it.
        var table = (int)BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(48));
        var block = (int)BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(table));
        Array.Resize(ref bytes, bytes.Length + (512 * 8));
        for (var i = 0; i < 8; i++)
        {
            var at = bytes.Length - (512 * (8 - i));
            bytes.AsSpan(at, 512).Fill(1);
            Put64(bytes, table + ((40 + i) * 8), (ulong)at);
        }

        var l2 = (int)(BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan((int)BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(40)))) & Qcow2Layout.OffsetMask);
        bytes.AsSpan(l2, 8).CopyTo(bytes.AsSpan(l2 + 8));
        Assert.That(block, Is.Positive);
        using var image = Open(bytes);
        var findings = image.Check().ToList();
        Assert.That(findings.Count(f => !f.IsDamage), Is.GreaterThanOrEqualTo(1000));
        Assert.That(findings.Any(f => f.IsDamage && f.Message.Contains("is not shared, but it is", StringComparison.Ordinal)));
    }

    private static void WriteSparse(string path, byte[] bytes, long length)
    {
        File.WriteAllBytes(path, bytes);
        using var file = File.OpenWrite(path);
        file.SetLength(length);
    }

    [Test]
    public void DataPastTheEnd_IsAnErrorAndNeverZeros()
    {
        var bytes = Sample();
        using var whole = Open(bytes);
        var last = whole.Map(0, whole.Length).Where(r => r.HasData).MaxBy(r => r.FileOffset);
        using var image = Open(bytes[..(int)(last.FileOffset + last.Length - 1)]);
        Assert.That(() => image.ReadAll(), Throws.TypeOf<ImageFormatException>().With.Message.Contains("ends at"));
        Assert.That(() => image.ReadByMap(), Throws.TypeOf<ImageFormatException>());
    }

    [TestCase(512)]
    [TestCase(Cluster)]
    public void Truncation_AtAnyPoint_GivesTheContentsOrATypedError(int clusterSize)
    {
        var bytes = Sample(clusterSize);
        byte[] expected;
        using (var image = Open(bytes)) expected = image.ReadAll();
        var random = new Random(1);
        foreach (var cut in Enumerable.Range(0, 600).Concat(Enumerable.Range(0, 150).Select(_ => random.Next(bytes.Length))))
        {
            if (Attempt(bytes[..cut]) is { } read) read.MustBe(expected, $"cut at {cut}");
        }
    }

    [TestCase(512)]
    [TestCase(Cluster)]
    public void FlippedBits_GiveContentsOrATypedError(int clusterSize)
    {
        var bytes = Sample(clusterSize);
        var random = new Random(clusterSize);
        var structures = clusterSize == Cluster ? new[] { 0, Cluster, 2 * Cluster, L1At, 4 * Cluster } : [0, 512, 1024, 1536, 2048, 2560];
        for (var i = 0; i < 1500; i++)
        {
            var copy = bytes.ToArray();
            for (var flips = random.Next(1, 4); flips > 0; flips--)
                copy[Math.Min(copy.Length - 1, structures[random.Next(structures.Length)] + random.Next(160))] ^= (byte)(1 << random.Next(8));
            _ = Attempt(copy);
        }
    }

    [Test]
    public void CompressedCluster_ThatUnpacksToTooLittle_IsRefused([Values("zlib", "zstd")] string type)
    {
        ExternalTool.Require("qemu-img");
        using var scratch = new ScratchDirectory();
        QemuImg.Create(scratch["a.qcow2"], 1 << 20, $"compression_type={type}");
        QemuImg.Io(scratch["a.qcow2"], ["write -q -c -P 7 0 65536"]);
        var bytes = File.ReadAllBytes(scratch["a.qcow2"]);
        using var whole = Open(bytes);
        Assert.That(whole.Map(0, 65536).Single().State, Is.EqualTo(Blocks.BlockState.Compressed));
        var random = new Random(5);
        var refusals = 0;
        // The stream starts in the last cluster of the file.
        var start = (bytes.Length - 1) / Cluster * Cluster;
        // A short stream: few bytes to hit.
        for (var i = 0; i < 100; i++)
        {
            var copy = bytes.ToArray();
            copy[random.Next(start, bytes.Length)] ^= (byte)(1 << random.Next(8));
            if (Attempt(copy) is null) refusals++;
        }

        Assert.That(refusals, Is.GreaterThan(5));
        Assert.That(Attempt(bytes[..(start + 8)]), Is.Null);
    }

    private static IEnumerable<TestCaseData> ZstdStreams()
    {
        yield return new TestCaseData(Frame(0x30, Cluster), true).SetArgDisplayNames("one frame");
        yield return new TestCaseData((byte[])[.. Frame(0x30, 20_000), .. Frame(0x30, Cluster - 20_000)], true).SetArgDisplayNames("two frames");
        yield return new TestCaseData((byte[])[.. Skippable(300), .. Frame(0x30, 20_000), .. Skippable(7), .. Frame(0x30, Cluster - 20_000)], true).SetArgDisplayNames("frames to skip between");
        yield return new TestCaseData((byte[])[.. Frame(0x30, Cluster), 1, 2, 3], true).SetArgDisplayNames("something behind the last frame");
        yield return new TestCaseData(Frame(0x88, Cluster), true).SetArgDisplayNames("a window of 128 MiB");
        yield return new TestCaseData(Frame(0xA8, Cluster), true).SetArgDisplayNames("a window of 2 GiB");
        yield return new TestCaseData(Frame(0xF8, Cluster), false).SetArgDisplayNames("a window of 2 TiB");
        yield return new TestCaseData(Frame(0x30, Cluster - 1), false).SetArgDisplayNames("a frame that is short");
        yield return new TestCaseData(Frame(0x30, Cluster + 1), false).SetArgDisplayNames("a frame that is long");
        yield return new TestCaseData(Frame(0x30, Cluster)[..^1], false).SetArgDisplayNames("a frame that is cut");
        yield return new TestCaseData(Skippable(100), false).SetArgDisplayNames("a frame to skip and nothing behind it");

        // RFC 8878: magic, descriptor, window descriptor (exponent in the upper five bits), blocks of one byte repeated.
        static byte[] Frame(byte window, int length)
        {
            var bytes = new List<byte> { 0x28, 0xB5, 0x2F, 0xFD, 0, window };
            for (var left = length; left > 0;)
            {
                var size = Math.Min(left, 50_000);
                left -= size;
                var header = (size << 3) | (1 << 1) | (left == 0 ? 1 : 0);
                bytes.AddRange([(byte)header, (byte)(header >> 8), (byte)(header >> 16), 7]);
            }

            return [.. bytes];
        }

        static byte[] Skippable(int length) => [0x50, 0x2A, 0x4D, 0x18, (byte)length, (byte)(length >> 8), 0, 0, .. new byte[length]];
    }

    /// <summary>What QEMU reads is read, however large a frame's window; a frame that is not the cluster's is refused, as QEMU refuses it.</summary>
    [TestCaseSource(nameof(ZstdStreams))]
    public void ZstdCluster_OfAnyFrames_IsTheClusterOrRefused(byte[] stream, bool isCluster)
    {
        var bytes = Sample();
        Put64(bytes, Qcow2Layout.IncompatibleAt, 8);
        bytes[104] = 1;
        var l2 = (int)(BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(L1At)) & Qcow2Layout.OffsetMask);
        Put64(bytes, l2, 1UL << 62 | ((ulong)(uint)((stream.Length - 1) / 512) << 54) | (uint)bytes.Length);
        using var image = Open([.. bytes, .. stream]);
        var cluster = new byte[Cluster];
        if (!isCluster)
        {
            Assert.That(() => image.Read(0, cluster), Throws.TypeOf<ImageFormatException>().With.Property(nameof(ImageFormatException.Field)).EqualTo("compressed cluster"));
            return;
        }

        image.Read(0, cluster);
        Assert.That(cluster.AsSpan().IndexOfAnyExcept((byte)7), Is.EqualTo(-1));
    }

    [Test]
    public void Check_OfATableThatNamesOneL2ATenThousandTimes_EndsSoon()
    {
        var bytes = Sample(512);
        Put64(bytes, Qcow2Layout.SizeAt, 0);
        var l1At = (int)BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(Qcow2Layout.L1OffsetAt));
        var entries = Math.Min(10_000, (bytes.Length - l1At) / 8);
        Put32(bytes, Qcow2Layout.L1SizeAt, (uint)entries);
        for (var i = 0; i < entries; i++) Put64(bytes, l1At + (8 * i), 0x8000000000000400UL);
        using var image = Open(bytes);
        Assert.That(image.Check().Count(), Is.InRange(1, 1000));
    }

    private static IDiskImage Open(byte[] bytes) => MemoryFiles.Open(new MemoryFile("/memory/a.qcow2", bytes));

    /// <summary>Everything a caller does with an image; null where it ended in one of the errors that are allowed.</summary>
    private static byte[]? Attempt(byte[] bytes)
    {
        try
        {
            using var image = Open(bytes);
            // A flipped size can make the disk huge; its map is bounded by the file and is what gets read.
            if (image.Length > 8 << 20)
            {
                _ = image.Map(0, image.Length).Take(100_000).Count();
                _ = image.Check().Count();
                return null;
            }

            var read = image.ReadAll();
            image.ReadByMap().MustBe(read);
            _ = image.Check().Count();
            return read;
        }
        catch (Exception e) when (e is ImageFormatException or ReferenceRefusedException)
        {
            return null;
        }
    }
}
