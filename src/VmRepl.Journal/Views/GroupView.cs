using VmRepl.Journal.Points;
using VmRepl.Journal.Store;

namespace VmRepl.Journal.Views;

/// <summary>A whole group as of one point: every disk at the same moment, and the definition as it was.</summary>
public sealed class GroupView : IDisposable
{
    internal GroupView(GroupStore store, RecoveryPoint point)
    {
        Point = point;
        Description = store.Description;
        var disks = new Dictionary<uint, PointInTimeView>();
        try
        {
            foreach (var disk in store.Description.Disks) disks.Add(disk.Id, new PointInTimeView(store.Journal, disk.Id, store.Live[disk.Id], point.Sequence));
            Disks = disks;
            Metadata = store.Journal.MetadataAt(point.Sequence);
        }
        catch
        {
            foreach (var view in disks.Values) view.Dispose();
            throw;
        }
    }

    public RecoveryPoint Point { get; }

    public GroupDescription Description { get; }

    /// <summary>The disks by id.</summary>
    public IReadOnlyDictionary<uint, PointInTimeView> Disks { get; }

    /// <summary>The values of the group's keys; <c>definition</c> is the VM's definition.</summary>
    public IReadOnlyDictionary<string, byte[]> Metadata { get; }

    public void Dispose()
    {
        foreach (var view in Disks.Values) view.Dispose();
    }
}
