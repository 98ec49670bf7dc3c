using System.Security.Cryptography;
using Microsoft.Extensions.Logging.Abstractions;
using VmRepl.Blocks;
using VmRepl.Images;
using VmRepl.Replication.Source;
using VmRepl.Replication.Source.Following;
using VmRepl.Replication.Tests.Stage;

namespace VmRepl.Replication.Tests.Following;

/// <summary>A served group over image files, and the replica that follows it.</summary>
internal sealed class FollowedVm : IAsyncDisposable
{
    private readonly TestDirectory directory;
    private readonly ReplicaHost replica;

    public FollowedVm(TestDirectory directory, ReplicaHost replica, (string Name, ImageFormat Format, long Length)[] disks, FollowOptions? options = null, string name = "vm")
    {
        (this.directory, this.replica, Options) = (directory, replica, options ?? new FollowOptions());
        Connector = new MemoryConnector(replica.Accept);
        foreach (var (disk, format, length) in disks) DiskImages.Create(directory.File($"{name}-{disk}"), format, length).Dispose();
        Definition = new SourceGroupDefinition(name, "replica:1", [.. disks.Select((d, i) => new SourceDisk((uint)i + 1, d.Name, directory.File($"{name}-{d.Name}"), d.Format, d.Length, 512))], null, [], 1)
        {
            Capture = CaptureMode.Served,
            Acknowledgement = Options.Acknowledgement,
            OnLoss = Options.OnLoss,
        };
        directory.Host("agent-" + name).Create();
    }

    public MemoryConnector Connector { get; }

    public SourceGroupDefinition Definition { get; set; }

    public FollowOptions Options { get; }

    public LinkOptions Link { get; set; } = ProtectedVm.Quick;

    public ServedGroup Group { get; private set; } = null!;

    public void Start()
    {
        Group = new ServedGroup(directory.Host("agent-" + Definition.Name), Definition, new Guid("11111111-2222-3333-4444-555555555555"), Connector, Link, Options with { RelinkDelay = TimeSpan.FromMilliseconds(5) }, TimeProvider.System, NullLogger.Instance, default);
        Group.Start();
    }

    public IBlockDevice Device(string disk) => Group.Device(disk)!;

    public Task InSyncAsync() => Group.SyncAsync(default).WaitAsync(TimeSpan.FromSeconds(60));

    /// <summary>Nothing is written any more: waits until everything is at the replica, then compares all disks.</summary>
    public async Task CheckEqualAsync(string because)
    {
        await InSyncAsync();
        for (var i = 0; Group.Status.Following is not { LagBytes: 0, IsInSync: true, LinkDown: null }; i++)
        {
            Assert.That(i, Is.LessThan(6000), $"{because}: it does not catch up: {Group.Status.Following}");
            await Task.Delay(10);
        }

        var found = replica.Store.Find(Definition.Name)!;
        // Durable comes before applied.
        for (var i = 0; found.Journal.Position.Applied < Group.Status.Following!.Last; i++)
        {
            Assert.That(i, Is.LessThan(3000), $"{because}: it is not applied: {found.Journal.Position}");
            await Task.Delay(10);
        }

        foreach (var disk in Definition.Disks)
            Assert.That(Hash(found.Live[disk.Id]), Is.EqualTo(Hash(Device(disk.Name))), $"{because}: disk {disk.Name}");
        Assert.That(Group.Status.Following!.DirtyBytes, Is.Zero, $"{because}: marks are left");
    }

    public async ValueTask DisposeAsync() => await Group.StopAsync();

    private static string Hash(IBlockDevice device)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[1 << 20];
        for (long at = 0; at < device.Length; at += buffer.Length)
        {
            var part = buffer.AsSpan(0, (int)Math.Min(buffer.Length, device.Length - at));
            device.Read(at, part);
            hash.AppendData(part);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
