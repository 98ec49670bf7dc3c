using VmRepl.Blocks;
using VmRepl.Clones.Matching;
using VmRepl.Images;
using VmRepl.Images.Opening;
using VmRepl.Replication;
using VmRepl.Replication.Source;

namespace VmRepl.Clones.Tests;

/// <summary>Protected disks that are files, and a replica that takes everything, or fails as told.</summary>
internal sealed class FakeDisks : IProtectedDisks
{
    private readonly Lock gate = new();
    private readonly List<CloneRequest> requests = [];

    public List<ProtectedDisk> Disks { get; } = [];

    /// <summary>What was asked for, in order.</summary>
    public IReadOnlyList<CloneRequest> Requests
    {
        get
        {
            lock (gate) return [.. requests];
        }
    }

    public List<string> Forgotten { get; } = [];

    /// <summary>Called with each request; throws what the attempt ends in.</summary>
    public Action<CloneRequest> Replica { get; set; } = static _ => { };

    public IReadOnlyList<ProtectedDisk> List() => [.. Disks];

    public IBlockDevice Open(ProtectedDisk disk) => DiskImages.Open(disk.File, new ImageOpenOptions { Format = disk.Format, Allow = disk.Allow });

    public Task<RoundResult> ReplicateAsync(CloneRequest request, CancellationToken cancellation)
    {
        lock (gate) requests.Add(request);
        try
        {
            Replica(request);
            return Task.FromResult(new RoundResult(1, 1, Guid.Empty, true, 5000, 1000, 4096, TimeSpan.Zero));
        }
        catch (Exception e) when (e is ReplicationException or IOException)
        {
            return Task.FromException<RoundResult>(e);
        }
    }

    public void Forget(string clone)
    {
        lock (gate) Forgotten.Add(clone);
    }
}
