using System.Buffers.Binary;
using VmRepl.Images.Opening;
using VmRepl.Images.Tests.Variants;

namespace VmRepl.Images.Tests.Qcow2;

/// <summary>Internal snapshots made by qemu-img, listed and read here.</summary>
public sealed class Qcow2SnapshotTests
{
    private const int Length = (3 << 20) + 1536;

    private ScratchDirectory scratch = null!;

    [SetUp]
    public void Make()
    {
        ExternalTool.Require("qemu-img", "qemu-io");
        scratch = new ScratchDirectory();
    }

    [TearDown]
    public void Remove() => scratch?.Dispose();

    [Variant("QCOW2", "internal snapshots, listed and read by name or id", Referee = "qemu-img")]
    [TestCase("")]
    [TestCase("compat=0.10")]
    [TestCase("cluster_size=512,refcount_bits=64")]
    [TestCase("extended_l2=on")]
    public void Snapshot_IsReadAsQemuReadsIt_AndTheActiveDiskStays(string options)
    {
        var path = scratch["a.qcow2"];
        QemuImg.Create(path, Length, options);
        foreach (var (name, seed) in new[] { ("one", 21), ("zwei ß", 22), ("3", 23) })
        {
            QemuImg.Io(path, Qcow2GoldenTests.RandomWrites(seed, hasCompression: true, hasZeros: true));
            QemuImg.Must("qemu-img", ["snapshot", "-c", name, path]);
        }

        QemuImg.Io(path, Qcow2GoldenTests.RandomWrites(24, hasCompression: true, hasZeros: true));
        Qcow2GoldenTests.MustMatch(path);
        using (var image = DiskImages.Open(path))
        {
            Assert.That(image.Description.Details["snapshots"], Is.EqualTo("3"));
            Assert.That(image.Snapshots.Select(s => (s.Id, s.Name, s.VmStateBytes)), Is.EqualTo(new[] { ("1", "one", 0L), ("2", "zwei ß", 0L), ("3", "3", 0L) }));
            Assert.That(image.Snapshots.Select(s => s.Length).Distinct().Single(), Is.InRange(image.Length, image.Length + 511));
            Assert.That(image.Snapshots[0].Taken, Is.EqualTo(DateTimeOffset.UtcNow).Within(TimeSpan.FromMinutes(5)));
            Assert.That(image.Check(), Is.Empty);
        }

        foreach (var (asked, id) in new[] { ("one", "1"), ("zwei ß", "2"), ("3", "3"), ("1", "1") })
        {
            using var image = DiskImages.Open(path, new ImageOpenOptions { Snapshot = asked });
            var expected = ByQemu(path, id);
            image.ReadAll().MustBe(expected, asked);
            image.ReadByMap().MustBe(expected, asked);
        }
    }

    [Variant("QCOW2", "internal snapshot of a disk that was resized since, over a backing file", Referee = "qemu-img")]
    [Test]
    public void Snapshot_OfADiskThatGrewSince_HasItsOwnLength()
    {
        File.WriteAllBytes(scratch["base.raw"], Contents.Random(2 << 20, 7));
        var path = scratch["a.qcow2"];
        QemuImg.Create(path, 2 << 20, "cluster_size=4096", "base.raw", "raw");
        QemuImg.Io(path, Qcow2GoldenTests.RandomWrites(31, hasCompression: true, hasZeros: true, 2 << 20));
        QemuImg.Must("qemu-img", ["snapshot", "-c", "small", path]);
        QemuImg.Must("qemu-img", ["resize", "-q", path, "64M"]);
        QemuImg.Io(path, Qcow2GoldenTests.RandomWrites(32, hasCompression: true, hasZeros: true, 64 << 20));
        using var image = DiskImages.Open(path, new ImageOpenOptions { Snapshot = "small" });
        Assert.That(image.Length, Is.EqualTo(2 << 20));
        image.ReadAll().MustBe(ByQemu(path, "1")[..(2 << 20)]);
    }

    [Variant("QCOW2", "VM state behind the disk's end, in the active L1 table and a snapshot's", Referee = "qemu-img")]
    [Test]
    public void Snapshot_WithVmState_LeavesTheDiskAsItIs()
    {
        var path = scratch["a.qcow2"];
        QemuImg.Create(path, Length, "cluster_size=4096");
        QemuImg.Io(path, ["write -q -P 1 0 1M", "write -q -b -P 7 0 3M"]);
        QemuImg.Must("qemu-img", ["snapshot", "-c", "one", path]);
        QemuImg.Io(path, ["write -q -P 2 64k 1M"]);
        Qcow2GoldenTests.MustMatch(path);
        using var image = DiskImages.Open(path, new ImageOpenOptions { Snapshot = "one" });
        Assert.That(image.Length, Is.EqualTo(Length));
        image.ReadAll().MustBe(ByQemu(path, "1"));
        Assert.That(image.Check(), Is.Empty);
    }

    [Test]
    public void Snapshot_ThatIsNotThere_OrIsDamaged_IsRefused()
    {
        var path = scratch["a.qcow2"];
        QemuImg.Create(path, Length);
        QemuImg.Io(path, ["write -q -P 1 0 1M"]);
        QemuImg.Must("qemu-img", ["snapshot", "-c", "one", path]);
        Assert.That(() => DiskImages.Open(path, new ImageOpenOptions { Snapshot = "other" }), Throws.TypeOf<ImageFormatException>().With.Message.Contains("\"other\""));
        Assert.That(() => DiskImages.Open(path, new ImageOpenOptions { Snapshot = "one", Writable = true }), Throws.ArgumentException);
        var bytes = File.ReadAllBytes(path);
        var table = (int)BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(64));
        foreach (var (at, value) in new (int, ulong)[]
        {
            (0, 1UL << 40), (0, 512), (0, ulong.MaxValue), (8, 0), (8, ulong.MaxValue), (36, ulong.MaxValue), (48, ulong.MaxValue), (48, 1UL << 50),
        })
        {
            var copy = bytes.ToArray();
            if (at is 0 or 48) BinaryPrimitives.WriteUInt64BigEndian(copy.AsSpan(table + at), value);
            else BinaryPrimitives.WriteUInt32BigEndian(copy.AsSpan(table + at), (uint)value);
            File.WriteAllBytes(scratch["b.qcow2"], copy);
            Assert.That(() =>
            {
                using var image = DiskImages.Open(scratch["b.qcow2"], new ImageOpenOptions { Snapshot = "one" });
                image.ReadAll();
            }, Throws.TypeOf<ImageFormatException>(), $"{at} {value}");
            using var active = DiskImages.Open(scratch["b.qcow2"]);
            Assert.That(active.ReadAll().Length, Is.EqualTo(Length), "the active disk is not touched by it");
        }
    }

    [Test]
    public void Snapshot_OfAFormatThatHasNone_IsRefused()
    {
        File.WriteAllBytes(scratch["a.raw"], new byte[4096]);
        Assert.That(() => DiskImages.Open(scratch["a.raw"], new ImageOpenOptions { Snapshot = "one" }), Throws.TypeOf<ImageFormatException>().With.Message.Contains("raw"));
    }

    private byte[] ByQemu(string path, string id)
    {
        QemuImg.Must("qemu-img", ["convert", "-f", "qcow2", "-O", "raw", "-l", $"snapshot.id={id}", path, scratch["snapshot.raw"]]);
        return File.ReadAllBytes(scratch["snapshot.raw"]);
    }
}
