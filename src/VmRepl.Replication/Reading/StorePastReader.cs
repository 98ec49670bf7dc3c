using VmRepl.Blocks;
using VmRepl.Journal.Points;
using VmRepl.Journal.Scrub;
using VmRepl.Journal.Store;
using VmRepl.Journal.Views;

namespace VmRepl.Replication.Reading;

/// <summary>Reads a store's directory with no process running, and writes nothing there.</summary>
public sealed class StorePastReader(ReplicaStore store) : IPastReader
{
    public Task<IReadOnlyList<RecoveryPoint>> PointsAsync(string group, CancellationToken cancellation) => Task.FromResult(store.Get(group).Journal.Points);

    public Task<RecoveryRange> RangeAsync(string group, CancellationToken cancellation) => Task.FromResult(new RecoveryRange(store.Get(group).Journal.PointCosts(), store.Get(group).Journal.Runs));

    public Task<IReadOnlyList<StoredClone>> ClonesAsync(string group, CancellationToken cancellation) => Task.FromResult<IReadOnlyList<StoredClone>>([.. store.ClonesOf(group).Select(Describe)]);

    public Task<IPastView> OpenAsync(string group, string at, CancellationToken cancellation)
    {
        var found = store.Get(group);
        return Task.FromResult<IPastView>(new View(found.OpenView(found.FindPoint(at))));
    }

    public Task<ScrubReport> ScrubAsync(string group, long bytesPerSecond, Action<ScrubProgress> progress, CancellationToken cancellation) =>
        store.ScrubAsync(group, new ScrubOptions { BytesPerSecond = bytesPerSecond, Progress = progress }, cancellation);

    public ValueTask DisposeAsync()
    {
        store.Dispose();
        return ValueTask.CompletedTask;
    }

    private static StoredClone Describe(GroupStore group)
    {
        var clone = group.Description.CloneOf!;
        return new StoredClone(group.Description.Name, clone.Owner, clone.Disk, clone.Base, clone.Name, clone.Time, group.Journal.NewestPoint?.Sequence ?? 0, group.Description.Disks[0].Length);
    }

    private sealed class View(GroupView view) : IPastView
    {
        public RecoveryPoint Point => view.Point;

        public IReadOnlyList<DiskDescription> Disks => view.Description.Disks;

        public IReadOnlyDictionary<string, byte[]> Metadata => view.Metadata;

        public IBlockDevice Open(DiskDescription disk) => view.Disks[disk.Id];

        public ValueTask DisposeAsync()
        {
            view.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
