using System.Buffers.Binary;
using System.Globalization;
using VmRepl.Blocks;
using VmRepl.Images.Changes;
using VmRepl.Images.Opening;
using VmRepl.Images.Tests.Qcow2;
using VmRepl.Images.Tests.Variants;

namespace VmRepl.Images.Tests.Changes;

/// <summary>Persistent bitmaps that QEMU made and filled, read as changes since, and what is said where they cannot be believed.</summary>
public sealed class Qcow2BitmapTests
{
    private const int Length = (3 << 20) + 1536;

    private ScratchDirectory scratch = null!;

    [SetUp]
    public void Make()
    {
        ExternalTool.Require("qemu-img", "qemu-io", "qemu-nbd");
        scratch = new ScratchDirectory();
    }

    [TearDown]
    public void Remove() => scratch?.Dispose();

    [Variant("QCOW2", "persistent dirty bitmaps of every granularity, several clusters each, as changes since", Referee = "qemu-nbd -B with qemu-img (x-dirty-bitmap)")]
    [TestCase("", "65536", Length)]
    [TestCase("", "512", Length)]
    [TestCase("cluster_size=512", "512", 40 << 20)]
    [TestCase("cluster_size=4096", "4096", Length)]
    [TestCase("cluster_size=2097152", "2097152", 100 << 20)]
    [TestCase("cluster_size=1024,extended_l2=off", "512", 16 << 20)]
    [TestCase("extended_l2=on", "1048576", 100 << 20)]
    public void Bitmap_IsWhatQemuReads(string options, string granularity, int length)
    {
        var path = scratch["a.qcow2"];
        QemuImg.Create(path, length, options);
        QemuImg.Io(path, Qcow2GoldenTests.RandomWrites(1, hasCompression: false, hasZeros: true, length));
        QemuImg.Must("qemu-img", ["bitmap", "--add", "-g", granularity, path, "b0"]);
        Assert.That(Changes(path, "b0"), Is.Empty);
        QemuImg.Io(path, Qcow2GoldenTests.RandomWrites(2, hasCompression: false, hasZeros: true, length));
        var changes = Changes(path, "b0");
        Assert.That(changes, Is.EqualTo(QemuBitmap.Dirty(path, "b0")).And.Not.Empty);
        using var image = DiskImages.Open(path);
        var track = image.ChangeTracks.Single();
        Assert.That((track.Name, track.Kind, track.State, track.Granularity), Is.EqualTo(("b0", ChangeTrackKind.Bitmap, ChangeTrackState.Recording, long.Parse(granularity, CultureInfo.InvariantCulture))));
        Assert.That(track.Problem, Is.Null);
    }

    [Variant("QCOW2", "bitmap of a whole disk written, and of none: entries of all ones and all zeros", Referee = "qemu-nbd -B with qemu-img (x-dirty-bitmap)")]
    [Test]
    public void Bitmap_OfAllOnesOrZeros_IsWhatQemuReads()
    {
        var path = scratch["a.qcow2"];
        QemuImg.Create(path, 64 << 20, "cluster_size=512");
        QemuImg.Must("qemu-img", ["bitmap", "--add", "-g", "512", path, "b0"]);
        QemuImg.Io(path, ["write -q -z 0 48M", "write -q -P 1 50M 512"]);
        Assert.That(Changes(path, "b0"), Is.EqualTo(QemuBitmap.Dirty(path, "b0")));
        Assert.That(Changes(path, "b0"), Is.EqualTo(new[] { new Extent(0, 48 << 20), new Extent(50 << 20, 512) }));
        // The same by table entries without clusters, which QEMU writes where it can and reads.
        var bytes = File.ReadAllBytes(path);
        var table = (int)Entry64(bytes, 0);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(table), 1);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(table + 8), 0);
        File.WriteAllBytes(path, bytes);
        Assert.That(Changes(path, "b0"), Is.EqualTo(QemuBitmap.Dirty(path, "b0")));
    }

    [Variant("QCOW2", "several bitmaps, disabled and merged", Referee = "qemu-nbd -B with qemu-img (x-dirty-bitmap)")]
    [Test]
    public void Bitmaps_DisabledAndMerged_AreToldApart()
    {
        var path = scratch["a.qcow2"];
        QemuImg.Create(path, Length);
        QemuImg.Must("qemu-img", ["bitmap", "--add", path, "first"]);
        QemuImg.Io(path, ["write -q -P 1 0 64k"]);
        QemuImg.Must("qemu-img", ["bitmap", "--add", "--disable", path, "second"]);
        QemuImg.Must("qemu-img", ["bitmap", "--disable", path, "first"]);
        QemuImg.Must("qemu-img", ["bitmap", "--enable", path, "second"]);
        QemuImg.Io(path, ["write -q -P 2 1M 64k"]);
        QemuImg.Must("qemu-img", ["bitmap", "--add", "-g", "32768", path, "both"]);
        QemuImg.Must("qemu-img", ["bitmap", "--merge", "first", "--merge", "second", path, "both"]);
        using (var image = DiskImages.Open(path))
        {
            Assert.That(image.ChangeTracks.Select(t => (t.Name, t.State)), Is.EquivalentTo(new[]
            {
                ("first", ChangeTrackState.Disabled), ("second", ChangeTrackState.Recording), ("both", ChangeTrackState.Recording),
            }));
        }

        foreach (var name in new[] { "first", "second", "both" }) Assert.That(Changes(path, name), Is.EqualTo(QemuBitmap.Dirty(path, name)), name);
        Assert.That(Changes(path, "both"), Is.EqualTo(new[] { new Extent(0, 65536), new Extent(1 << 20, 65536) }));
        Assert.That(() => Changes(path, "third"), Throws.TypeOf<ImageFormatException>().With.Message.Contains("\"third\""));
    }

    [Variant("QCOW2", "bitmap that is in use, inconsistent or of an unknown kind: told with the reason, never trusted", Referee = "generator")]
    [TestCase("in use", ChangeTrackState.InUse, "in use")]
    [TestCase("autoclear", ChangeTrackState.Inconsistent, "autoclear")]
    [TestCase("corrupt", ChangeTrackState.Inconsistent, "corrupt")]
    [TestCase("flags", ChangeTrackState.Inconsistent, "flags")]
    [TestCase("type", ChangeTrackState.Inconsistent, "type")]
    [TestCase("granularity", ChangeTrackState.Inconsistent, "granularity_bits")]
    [TestCase("table size", ChangeTrackState.Inconsistent, "entries")]
    [TestCase("table place", ChangeTrackState.Inconsistent, "not in the file")]
    [TestCase("table unaligned", ChangeTrackState.Inconsistent, "not in the file")]
    [TestCase("name", ChangeTrackState.Inconsistent, "name")]
    [TestCase("directory place", ChangeTrackState.Inconsistent, "directory")]
    [TestCase("directory count", ChangeTrackState.Inconsistent, "directory ends")]
    public void Bitmap_ThatCannotBeBelieved_SaysWhy(string which, ChangeTrackState state, string reason)
    {
        var path = Damage(which);
        using var image = DiskImages.Open(path);
        Assert.That(image.ReadAll(), Has.Length.EqualTo(Length), "the disk itself is read all the same");
        var track = image.ChangeTracks[^1];
        Assert.That(track.State, Is.EqualTo(state));
        Assert.That(track.Problem, Does.Contain(reason));
        Assert.That(() => track.Changes().Count(), Throws.TypeOf<ImageFormatException>().With.Message.Contains(reason));
    }

    [TestCase(0x8000000000000000UL)]
    [TestCase(3UL)]
    [TestCase(0x200UL)]
    [TestCase(0x10001UL)]
    [TestCase(0x00FFFFFFFFFF0000UL)]
    public void BitmapTableEntry_ThatIsImpossible_IsRefusedWhenRead(ulong entry)
    {
        var bytes = File.ReadAllBytes(Damage("nothing"));
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan((int)Entry64(bytes, 0)), entry);
        File.WriteAllBytes(scratch["b.qcow2"], bytes);
        Assert.That(() => Changes(scratch["b.qcow2"], "b0"), Throws.TypeOf<ImageFormatException>());
    }

    [Test]
    public void Bitmap_OfAnImageThatWeWrote_IsNoLongerBelieved()
    {
        var path = Damage("nothing");
        using (var image = DiskImages.Open(path, new ImageOpenOptions { Writable = true })) image.Write(0, new byte[512]);
        using var opened = DiskImages.Open(path);
        Assert.That(opened.ChangeTracks.Select(t => t.State), Has.None.EqualTo(ChangeTrackState.Recording).And.None.EqualTo(ChangeTrackState.Disabled));
    }

    internal static List<Extent> Changes(string path, string bitmap)
    {
        using var image = DiskImages.Open(path);
        return [.. ChangeTracks.Bitmap(image, bitmap).Changes()];
    }

    private string Damage(string which)
    {
        var path = scratch["a.qcow2"];
        QemuImg.Create(path, Length);
        QemuImg.Must("qemu-img", ["bitmap", "--add", path, "b0"]);
        QemuImg.Io(path, ["write -q -P 1 0 64k"]);
        var bytes = File.ReadAllBytes(path);
        var (extension, entry) = (Extension(bytes), Entry(bytes));
        switch (which)
        {
            case "in use": bytes[entry + 15] |= 1; break;
            case "autoclear": bytes[95] &= 0xFE; break;
            case "corrupt": bytes[79] |= 2; break;
            case "flags": bytes[entry + 12] |= 0x80; break;
            case "type": bytes[entry + 16] = 2; break;
            case "granularity": bytes[entry + 17] = 63; break;
            case "table size": bytes[entry + 11]++; break;
            case "table place": bytes[entry] = 0x10; break;
            case "table unaligned": bytes[entry + 6] ^= 2; break;
            case "name": bytes[entry + 18] = bytes[entry + 19] = 0; break;
            case "directory place": bytes[extension + 16] = 0x10; break;
            case "directory count": bytes[extension + 3]++; break;
        }

        File.WriteAllBytes(path, bytes);
        return path;
    }

    /// <summary>Where the data of the bitmaps extension begin.</summary>
    private static int Extension(byte[] bytes) => bytes.AsSpan(0, 65536).IndexOf((ReadOnlySpan<byte>)[0x23, 0x85, 0x28, 0x75]) + 8;

    private static int Entry(byte[] bytes) => (int)BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(Extension(bytes) + 16));

    private static ulong Entry64(byte[] bytes, int at) => BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(Entry(bytes) + at));
}
