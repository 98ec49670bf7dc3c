using System.Security.Cryptography;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Journal.Views;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Tests.Views;

internal sealed class ScratchViewTests
{
    private static readonly JournalOptions Small = new() { SegmentBytes = 1 << 20, CapacityBytes = 4 << 20, FreeBytesMin = 0 };

    [Test]
    public void Write_ScratchLayer_LeavesLiveImageAndJournalAsTheyAre()
    {
        using var group = Following();
        using var view = group.Store.OpenView(group.Journal.Points[1]);
        var before = Digests(group.Directory);
        Assert.That(before, Has.Count.GreaterThan(4));
        var scratch = group.Volume.Directory("scratch");
        using (var layer = view.WithScratch(scratch))
        {
            var contents = (byte[])group.History[view.Point.Sequence].Clone();
            Scribble(layer, contents, new Random(1), 200);
            layer.Disks[1].Flush();
            Assert.That(Contents(layer.Disks[1]).AsSpan().SequenceEqual(contents), Is.True);
            Assert.That(scratch.ListFiles(), Has.Count.EqualTo(1));
        }

        Assert.That(Digests(group.Directory), Is.EqualTo(before));
        Assert.That(scratch.ListFiles(), Is.Empty, "the layer's files go with it");
        Assert.That(Contents(view.Disks[1]).AsSpan().SequenceEqual(group.History[view.Point.Sequence]), Is.True);
    }

    [Test]
    public void Write_TwoLayersWhileReplicationGoesOn_NeitherSeesTheOtherNorMovesTheView([Values(1, 2, 3)] int seed)
    {
        var random = new Random(seed);
        using var group = Following();
        using var view = group.Store.OpenView(group.Journal.Points[1]);
        var past = group.History[view.Point.Sequence];
        using var one = view.WithScratch(group.Volume.Directory("scratch"));
        using var other = view.WithScratch(group.Volume.Directory("scratch"));
        byte[] inOne = (byte[])past.Clone(), inOther = (byte[])past.Clone();
        for (var round = 0; round < 20; round++)
        {
            Scribble(one, inOne, random, 10);
            group.Append(group.Make(RecordKind.ResyncBegin), group.Write(random.Next(2048 - 100) * 512, 100 * 512, (byte)round), group.Make(RecordKind.Punch, random.Next(200) * 4096, 8192), group.Make(RecordKind.ResyncEnd));
            Scribble(other, inOther, random, 10);
            Assert.That(Contents(one.Disks[1]).AsSpan().SequenceEqual(inOne), Is.True, $"seed {seed}, round {round}");
            Assert.That(Contents(other.Disks[1]).AsSpan().SequenceEqual(inOther), Is.True, $"seed {seed}, round {round}");
            Assert.That(Contents(view.Disks[1]).AsSpan().SequenceEqual(past), Is.True, $"seed {seed}, round {round}");
        }

        group.AssertPoints();
    }

    [Test]
    public void Map_OfALayer_HasTheHolesOfThePointAndItsOwn()
    {
        using var group = new TestGroup();
        group.Baseline(0, 256 << 10, 0xEE);
        group.EndBaseline();
        using var view = group.Store.OpenView(group.Journal.Points[0]);
        using var layer = view.WithScratch(group.Volume.Directory("scratch"));
        // After the point: the layer knows nothing of it.
        group.Append(group.Make(RecordKind.ResyncBegin), group.Write(512 << 10, 64 << 10, 1), group.Make(RecordKind.Punch, 0, 64 << 10), group.Make(RecordKind.ResyncEnd));
        layer.Disks[1].Write(768 << 10, new byte[512]);
        layer.Disks[1].Punch(128 << 10, 64 << 10);
        var data = new ExtentSet(layer.Disks[1].Map(0, TestGroup.DiskBytes).Where(r => r.HasData).Select(r => r.Extent));
        Assert.That(data.Extents, Is.EqualTo(new[] { new Extent(0, 128 << 10), new Extent(192 << 10, 64 << 10), new Extent(768 << 10, 512) }));
    }

    [Test]
    public void Requests_ViewGaveWay_EndInTheViewsOwnError()
    {
        using var group = new TestGroup(Small);
        group.Baseline(0, TestGroup.DiskBytes, 0xEE);
        group.EndBaseline();
        using var view = group.Store.OpenView(group.Store.FindPoint("latest"));
        var scratch = group.Volume.Directory("scratch");
        using (var layer = view.WithScratch(scratch))
        {
            var disk = layer.Disks[1];
            disk.Write(0, new byte[4096]);
            for (var i = 0; !view.IsClosed; i++)
            {
                Assert.That(i, Is.LessThan(200));
                group.Append(group.Make(RecordKind.ResyncBegin), group.Write(i % 5 * (128 << 10), 300 << 10, (byte)i), group.Make(RecordKind.ResyncEnd));
            }

            var buffer = new byte[512];
            Assert.That(() => disk.Read(0, buffer), Throws.TypeOf<ViewClosedException>(), "also what was written here");
            Assert.That(() => disk.Read(8192, buffer), Throws.TypeOf<ViewClosedException>());
            Assert.That(() => disk.Write(0, buffer), Throws.TypeOf<ViewClosedException>());
            Assert.That(() => disk.Zero(0, 512), Throws.TypeOf<ViewClosedException>());
            Assert.That(() => disk.Punch(0, 512), Throws.TypeOf<ViewClosedException>());
            Assert.That(disk.Flush, Throws.TypeOf<ViewClosedException>());
            Assert.That(() => disk.Map(0, 4096).ToList(), Throws.TypeOf<ViewClosedException>());
            Assert.That(() => view.WithScratch(scratch), Throws.TypeOf<ViewClosedException>());
        }

        Assert.That(scratch.ListFiles(), Is.Empty);
        group.AssertPoints();
    }

    [Test]
    public void WithScratch_OnRealFiles_IsWrittenAndRemoved()
    {
        var root = Directory.CreateTempSubdirectory("vmrepl-scratch-").FullName;
        try
        {
            using var group = Following();
            using var view = group.Store.OpenView(group.Journal.Points[1]);
            var directory = new HostDirectory(Path.Combine(root, "scratch"));
            var contents = (byte[])group.History[view.Point.Sequence].Clone();
            using (var layer = view.WithScratch(directory))
            using (var second = view.WithScratch(directory))
            {
                Scribble(layer, contents, new Random(4), 100);
                Assert.That(Contents(layer.Disks[1]).AsSpan().SequenceEqual(contents), Is.True);
                Assert.That(Contents(second.Disks[1]).AsSpan().SequenceEqual(group.History[view.Point.Sequence]), Is.True);
                Assert.That(directory.ListFiles(), Is.EqualTo(new[] { "scratch-1-sda", "scratch-2-sda" }));
            }

            Assert.That(directory.ListFiles(), Is.Empty);
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    private static TestGroup Following()
    {
        var group = new TestGroup();
        group.Baseline(0, TestGroup.DiskBytes / 2, 0xEE);
        group.EndBaseline();
        for (var i = 1; i <= 3; i++) group.Append(group.Make(RecordKind.ResyncBegin), group.Write(i * 70_144, 40_960, (byte)i), group.Make(RecordKind.Punch, i * 16384, 8192), group.Make(RecordKind.ResyncEnd));
        return group;
    }

    /// <summary>Random requests, on the layer and on the array.</summary>
    private static void Scribble(ScratchView layer, byte[] contents, Random random, int count)
    {
        var disk = layer.Disks[1];
        for (; count > 0; count--)
        {
            var offset = random.Next(TestGroup.DiskBytes);
            var target = contents.AsSpan(offset, 1 + random.Next(Math.Min(40_000, TestGroup.DiskBytes - offset)));
            if (random.Next(3) == 0)
            {
                target.Clear();
                if (random.Next(2) == 0) disk.Zero(offset, target.Length);
                else disk.Punch(offset, target.Length);
                continue;
            }

            random.NextBytes(target);
            disk.Write(offset, target);
        }
    }

    private static byte[] Contents(IBlockDevice disk)
    {
        var found = new byte[TestGroup.DiskBytes];
        disk.Read(0, found);
        return found;
    }

    /// <summary>Of every file in the group's directory, by path.</summary>
    private static Dictionary<string, string> Digests(IHostDirectory directory)
    {
        var digests = new Dictionary<string, string>();
        foreach (var name in directory.ListFiles())
        {
            using var file = directory.Open(name, HostFileAccess.Read);
            var contents = new byte[file.Length];
            file.Read(0, contents);
            digests.Add(Path.Combine(directory.Path, name), Convert.ToHexString(SHA256.HashData(contents)));
        }

        foreach (var name in directory.ListDirectories())
        {
            foreach (var (path, digest) in Digests(directory.Directory(name))) digests.Add(path, digest);
        }

        return digests;
    }
}
