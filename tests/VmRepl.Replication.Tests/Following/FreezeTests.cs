using System.Globalization;
using System.Security.Cryptography;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Images;
using VmRepl.Replication.Source.Following;
using VmRepl.Replication.Tests.Stage;

namespace VmRepl.Replication.Tests.Following;

/// <summary>Freezing a group's disks at one place in the order, under concurrent writes: what is copied is what the replica holds at that sequence, byte for byte.</summary>
[Parallelizable(ParallelScope.All)]
public class FreezeTests
{
    [Test]
    public async Task Freeze_UnderConcurrentWrites_CopiesWhatTheReplicaHoldsAtItsSequence([Values] AcknowledgementMode mode)
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        await using var vm = new FollowedVm(directory, replica, [("sda", ImageFormat.Raw, (24 << 20) + 1536), ("sdb", ImageFormat.Qcow2, 8 << 20)], new FollowOptions { Acknowledgement = mode });
        vm.Start();
        await vm.InSyncAsync();
        var found = new List<(FrozenGroup Frozen, string Name)>();
        await using (var guest = new Guest([vm.Device("sda"), vm.Device("sdb")], 3, depth: 8, bytesMax: 200_000))
        {
            for (var i = 0; i < 3; i++)
            {
                var written = guest.Writes;
                while (guest.Writes < written + 100) await Task.Delay(2);
                await vm.InSyncAsync();
                var files = Targets(directory, vm, $"clone{i}");
                if (await TryFreezeAsync(vm, files) is not { } frozen) continue;
                await frozen.Copied.WaitAsync(TimeSpan.FromSeconds(60));
                foreach (var file in files.Values) file.Dispose();
                if (await frozen.Durable.WaitAsync(TimeSpan.FromSeconds(30))) found.Add((frozen, $"clone{i}"));
            }
        }

        await vm.CheckEqualAsync("after the clones");
        Assert.That(found, Is.Not.Empty);
        TestContext.Out.WriteLine($"{mode}: holds of {string.Join(", ", found.Select(f => f.Frozen.Hold.TotalMilliseconds.ToString("0.00", CultureInfo.InvariantCulture)))} ms");
        foreach (var (frozen, name) in found)
        {
            var store = replica.Store.Find("vm")!;
            using var view = store.OpenView(store.FindPoint(frozen.Sequence.ToString(CultureInfo.InvariantCulture)));
            foreach (var disk in vm.Definition.Disks)
                Assert.That(Hash(File.ReadAllBytes(directory.File($"{name}-{disk.Name}"))), Is.EqualTo(Hash(Read(view.Disks[disk.Id], disk.Length))), $"{name}, disk {disk.Name}, sequence {frozen.Sequence}");
        }
    }

    [Test]
    public async Task Freeze_OfAnEmptyDisk_LeavesHoles()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        await using var vm = new FollowedVm(directory, replica, [("sda", ImageFormat.Raw, 64 << 20)]);
        vm.Start();
        await vm.InSyncAsync();
        vm.Device("sda").Write(5 << 20, new byte[] { 1, 2, 3 });
        var files = Targets(directory, vm, "clone");
        var frozen = await vm.Group.FreezeAsync("id", "clone", files, default);
        await frozen.Copied;
        files["sda"].Flush();
        Assert.That(files["sda"].Map(0, 64 << 20).Where(r => !r.IsHole).Sum(r => r.Length), Is.InRange(1, 64 << 10));
        files["sda"].Dispose();
    }

    [Test]
    public async Task Freeze_WhereTheCopyCannotBeWritten_FailsAndTheGuestGoesOn()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        await using var vm = new FollowedVm(directory, replica, [("sda", ImageFormat.Raw, 16 << 20)]);
        vm.Start();
        await vm.InSyncAsync();
        vm.Device("sda").Write(0, new byte[1 << 20].Select(_ => (byte)7).ToArray());
        Targets(directory, vm, "clone")["sda"].Dispose();
        using var readOnly = HostFile.Open(directory.File("clone-sda"), HostFileAccess.Read);
        var frozen = await vm.Group.FreezeAsync("id", "clone", new Dictionary<string, IHostFile> { ["sda"] = readOnly }, default);
        Assert.That(async () => await frozen.Copied.WaitAsync(TimeSpan.FromSeconds(30)), Throws.InstanceOf<IOException>());
        await using (var guest = new Guest([vm.Device("sda")], 5))
        {
            while (guest.Writes < 200) await Task.Delay(2);
        }

        await vm.CheckEqualAsync("after a copy that failed");
        Assert.That(await frozen.Durable, Is.True);
    }

    [Test]
    public async Task Freeze_WithoutAReplica_IsRefused()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store")) { IsUp = false };
        await using var vm = new FollowedVm(directory, replica, [("sda", ImageFormat.Raw, 1 << 20)]);
        vm.Start();
        var files = Targets(directory, vm, "clone");
        Assert.That(async () => await vm.Group.FreezeAsync("id", "clone", files, default), Throws.InstanceOf<ReplicationException>().With.Message.Contains("not in sync").And.Property("IsRefusal").True);
        // Nobody is held up by it.
        vm.Device("sda").Write(0, new byte[512]);
        foreach (var file in files.Values) file.Dispose();
    }

    [Test]
    public async Task Gate_Closed_WaitsForThoseInsideAndHoldsTheRest()
    {
        var gate = new ChangeGate();
        await gate.EnterAsync();
        var drained = gate.Close();
        var waiting = gate.EnterAsync().AsTask();
        Assert.That((drained.IsCompleted, waiting.IsCompleted), Is.EqualTo((false, false)));
        gate.Exit();
        await drained.WaitAsync(TimeSpan.FromSeconds(10));
        Assert.That(waiting.IsCompleted, Is.False);
        gate.Open();
        await waiting.WaitAsync(TimeSpan.FromSeconds(10));
        var again = gate.Close();
        Assert.That(again.IsCompleted, Is.False, "who passed counts");
        gate.Exit();
        await again.WaitAsync(TimeSpan.FromSeconds(10));
        gate.Open();
    }

    /// <summary>Null where the guest had outrun the replica just then.</summary>
    private static async Task<FrozenGroup?> TryFreezeAsync(FollowedVm vm, Dictionary<string, IHostFile> files)
    {
        try
        {
            return await vm.Group.FreezeAsync("id", "clone", files, default);
        }
        catch (ReplicationException e) when (e.Message.Contains("not in sync", StringComparison.Ordinal))
        {
            foreach (var file in files.Values) file.Dispose();
            return null;
        }
    }

    private static Dictionary<string, IHostFile> Targets(TestDirectory directory, FollowedVm vm, string name)
    {
        var files = new Dictionary<string, IHostFile>();
        foreach (var disk in vm.Definition.Disks)
        {
            var file = HostFile.Open(directory.File($"{name}-{disk.Name}"), HostFileAccess.CreateNew);
            file.SetLength(disk.Length);
            files.Add(disk.Name, file);
        }

        return files;
    }

    private static byte[] Read(IBlockDevice device, long length)
    {
        var contents = new byte[length];
        device.Read(0, contents);
        return contents;
    }

    private static string Hash(byte[] contents) => Convert.ToHexStringLower(SHA256.HashData(contents));
}
