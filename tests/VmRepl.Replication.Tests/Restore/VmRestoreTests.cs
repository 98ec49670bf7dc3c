using System.Security.Cryptography;
using System.Text.Json;
using VmRepl.Blocks;
using VmRepl.Images;
using VmRepl.Journal.Points;
using VmRepl.Journal.Store;
using VmRepl.Replication.Reading;
using VmRepl.Replication.Restore;
using VmRepl.Replication.Tests.Stage;

namespace VmRepl.Replication.Tests.Restore;

[Parallelizable(ParallelScope.All)]
public class VmRestoreTests
{
    [Test]
    public async Task Run_EachFormat_WritesTheContentsAndSaysTheirDigest([Values(ImageFormat.Raw, ImageFormat.Qcow2, ImageFormat.Vhdx, ImageFormat.Vmdk)] ImageFormat format)
    {
        ExternalTool.Require("qemu-img");
        using var directory = new TestDirectory();
        var (reader, vm) = await StoreAsync(directory);
        await using var closing = reader;
        await using var view = await reader.OpenAsync("vm", "latest", CancellationToken.None);
        var target = directory.File("out");
        var started = TimeProvider.System.GetTimestamp();
        var restored = new VmRestore("vm", view, target, format).Run((_, _) => null, TimeProvider.System, CancellationToken.None);
        Assert.That(restored.Select(r => r.Writing), Has.All.GreaterThan(TimeSpan.Zero));
        Assert.That(restored.Sum(r => r.Writing.TotalSeconds), Is.LessThan(TimeProvider.System.GetElapsedTime(started).TotalSeconds), "reading back is not part of it");
        for (var i = 0; i < restored.Count; i++)
        {
            var expected = vm.Points[^1].Disks[i];
            Assert.That(restored[i].File, Is.EqualTo(Path.Combine(target, $"{vm.Disks[i].Disk.Name}.{ImageFormatNames.Name(format)}")));
            Assert.That(restored[i].Sha256, Is.EqualTo(Convert.ToHexStringLower(SHA256.HashData(expected))));
            var raw = directory.File($"{i}.check");
            ExternalTool.Run("qemu-img", "convert", "-f", ImageFormatNames.Name(format), "-O", "raw", restored[i].File, raw);
            PointChecker.RequireSame(File.ReadAllBytes(raw).AsSpan(0, expected.Length), expected, $"disk {i} as qemu-img reads it");
        }

        using var json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(target, "metadata.json")));
        Assert.That(json.RootElement.GetProperty("sequence").GetUInt64(), Is.EqualTo(vm.Points[^1].Sequence));
        Assert.That(File.ReadAllText(Path.Combine(target, "definition")), Is.EqualTo("<domain/>"));
    }

    [Test]
    public async Task Run_TargetNotEmpty_IsRefusedAndNothingIsTouched([Values("a file in it", "a file of that name")] string kind)
    {
        using var directory = new TestDirectory();
        var (reader, _) = await StoreAsync(directory);
        await using var closing = reader;
        await using var view = await reader.OpenAsync("vm", "latest", CancellationToken.None);
        var target = directory.File("out");
        var present = kind == "a file in it" ? Path.Combine(target, "sda.raw") : target;
        Directory.CreateDirectory(Path.GetDirectoryName(present)!);
        File.WriteAllText(present, "mine");
        var error = Assert.Throws<ReplicationException>(() => new VmRestore("vm", view, target, null).Run((_, _) => null, TimeProvider.System, CancellationToken.None));
        Assert.That(error!.IsRefusal, Is.True);
        Assert.That(error.Message, Does.Contain("group vm").And.Contain("exists"));
        Assert.That(File.ReadAllText(present), Is.EqualTo("mine"));
    }

    [Test]
    public async Task Run_FileAppearsMeanwhile_IsLeftAndTheRestIsRemoved()
    {
        using var directory = new TestDirectory();
        var (reader, _) = await StoreAsync(directory);
        await using var closing = reader;
        await using var view = await reader.OpenAsync("vm", "latest", CancellationToken.None);
        var target = directory.File("out");
        var theirs = Path.Combine(target, "sdb.raw");
        var error = Assert.Throws<ReplicationException>(() => new VmRestore("vm", view, target, null).Run(
            (name, _) =>
            {
                if (name == "sdb") File.WriteAllText(theirs, "mine");
                return null;
            },
            TimeProvider.System, CancellationToken.None));
        Assert.That(error!.IsRefusal, Is.True);
        Assert.That(Directory.GetFiles(target), Is.EqualTo([theirs]));
        Assert.That(File.ReadAllText(theirs), Is.EqualTo("mine"));
    }

    [Test]
    public async Task Run_ReadingFailsHalfWay_RemovesWhatItBegan([Values] bool isThere)
    {
        using var directory = new TestDirectory();
        var (reader, _) = await StoreAsync(directory);
        await using var closing = reader;
        await using var view = await reader.OpenAsync("vm", "latest", CancellationToken.None);
        var target = directory.File("out");
        if (isThere) Directory.CreateDirectory(target);
        Assert.Throws<IOException>(() => new VmRestore("vm", new FailingView(view, "sdb"), target, ImageFormat.Qcow2).Run((_, _) => null, TimeProvider.System, CancellationToken.None));
        Assert.That(Directory.Exists(target), Is.EqualTo(isThere), "the directory is as it was");
        if (isThere) Assert.That(Directory.GetFileSystemEntries(target), Is.Empty);
    }

    [Test]
    public async Task Run_FormatThatCannotHoldTheDisk_LeavesNothing()
    {
        using var directory = new TestDirectory();
        var (reader, _) = await StoreAsync(directory, sectorSize: 4096);
        await using var closing = reader;
        await using var view = await reader.OpenAsync("vm", "latest", CancellationToken.None);
        var target = directory.File("out");
        Assert.That(() => new VmRestore("vm", view, target, ImageFormat.Vmdk).Run((_, _) => null, TimeProvider.System, CancellationToken.None), Throws.Exception);
        Assert.That(Directory.Exists(target), Is.False);
    }

    [Test]
    public async Task Run_Cancelled_LeavesNothing()
    {
        using var directory = new TestDirectory();
        var (reader, _) = await StoreAsync(directory);
        await using var closing = reader;
        await using var view = await reader.OpenAsync("vm", "latest", CancellationToken.None);
        using var stop = new CancellationTokenSource();
        await stop.CancelAsync();
        Assert.That(() => new VmRestore("vm", view, directory.File("out"), null).Run((_, _) => null, TimeProvider.System, stop.Token), Throws.InstanceOf<OperationCanceledException>());
        Assert.That(Directory.Exists(directory.File("out")), Is.False);
    }

    [Test]
    public async Task Run_MoreThanIsFree_IsRefusedBeforeAnythingIsWritten()
    {
        using var directory = new TestDirectory();
        var (reader, _) = await StoreAsync(directory);
        await using var closing = reader;
        await using var view = await reader.OpenAsync("vm", "latest", CancellationToken.None);
        var error = Assert.Throws<ReplicationException>(() => new VmRestore("vm", new HugeView(view), directory.File("out"), null).Run((_, _) => null, TimeProvider.System, CancellationToken.None));
        Assert.That(error!.Message, Does.Contain("group vm").And.Contain("free"));
        Assert.That(error.Hint, Is.Not.Empty);
        Assert.That(Directory.Exists(directory.File("out")), Is.False);
    }

    [Test]
    public async Task Plan_Always_TouchesNothing()
    {
        using var directory = new TestDirectory();
        var (reader, vm) = await StoreAsync(directory);
        await using var closing = reader;
        await using var view = await reader.OpenAsync("vm", "latest", CancellationToken.None);
        var before = Directory.GetFileSystemEntries(directory.Path, "*", SearchOption.AllDirectories).Order().Select(f => (f, File.GetLastWriteTimeUtc(f))).ToList();
        var plan = new VmRestore("vm", view, directory.File("out"), null).Plan(TimeProvider.System);
        Assert.That(Directory.GetFileSystemEntries(directory.Path, "*", SearchOption.AllDirectories).Order().Select(f => (f, File.GetLastWriteTimeUtc(f))), Is.EqualTo(before));
        Assert.That(plan.Disks.Select(d => d.Length), Is.EqualTo(vm.Disks.Select(d => d.Disk.Length)));
        Assert.That(plan.DataBytes, Is.Positive.And.LessThanOrEqualTo(vm.Disks.Sum(d => d.Disk.Length)));
        Assert.That(plan.FreeBytes, Is.Positive);
        Assert.That(plan.BytesPerSecond, Is.Positive);
    }

    private static async Task<(StorePastReader Reader, ProtectedVm Vm)> StoreAsync(TestDirectory directory, int sectorSize = 512)
    {
        DiskFile[] disks = [new(directory, 1, "sda", 1 << 20, sectorSize), new(directory, 2, "sdb", (256 << 10) + 4096, sectorSize)];
        ProtectedVm vm;
        await using (var replica = new ReplicaHost(directory.Host("store")))
        {
            vm = new ProtectedVm(directory, new MemoryConnector(replica.Accept), disks);
            File.WriteAllText(directory.File("vm.xml"), "<domain/>");
            vm.Definition = vm.Definition with { DefinitionFile = directory.File("vm.xml") };
            vm.Restart();
            for (var round = 0; round < 2; round++)
            {
                foreach (var disk in disks) Contents.Scribble(disk, new Random(round), 20);
                await vm.SyncAsync();
            }
        }

        return (new StorePastReader(ReplicaStore.OpenForReading(directory.Host("store"), ReplicaHost.Settings)), vm);
    }

    private abstract class ChangedView(IPastView inner) : IPastView
    {
        public RecoveryPoint Point => inner.Point;

        public virtual IReadOnlyList<DiskDescription> Disks => inner.Disks;

        public IReadOnlyDictionary<string, byte[]> Metadata => inner.Metadata;

        public virtual IBlockDevice Open(DiskDescription disk) => inner.Open(disk);

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    /// <summary>One disk of it cannot be read to its end.</summary>
    private sealed class FailingView(IPastView inner, string name) : ChangedView(inner)
    {
        public override IBlockDevice Open(DiskDescription disk) => disk.Name == name ? new MappedDevice(base.Open(disk), true) : base.Open(disk);
    }

    /// <summary>A disk of an exbibyte, all of it said to be data.</summary>
    private sealed class HugeView(IPastView inner) : ChangedView(inner)
    {
        public override IReadOnlyList<DiskDescription> Disks => [base.Disks[0] with { Length = 1L << 55 }];

        public override IBlockDevice Open(DiskDescription disk) => new MappedDevice(base.Open(base.Disks[0]), false, 1L << 55);
    }

    private sealed class MappedDevice(IBlockDevice inner, bool fails, long? length = null) : IBlockDevice
    {
        public long Length => length ?? inner.Length;

        public int SectorSize => inner.SectorSize;

        public bool IsReadOnly => true;

        public void Read(long offset, Span<byte> buffer)
        {
            if (fails) throw new IOException("the store cannot be read: Input/output error");
            inner.Read(offset, buffer);
        }

        public void Write(long offset, ReadOnlySpan<byte> data) => throw new NotSupportedException();

        public void Zero(long offset, long length) => throw new NotSupportedException();

        public void Punch(long offset, long length) => throw new NotSupportedException();

        public void Flush()
        {
        }

        public IEnumerable<MapExtent> Map(long offset, long length) => Length > inner.Length ? [new MapExtent(offset, length, BlockState.Data)] : inner.Map(offset, length);

        public void Dispose() => inner.Dispose();
    }
}
