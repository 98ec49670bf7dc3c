using VmRepl.Journal.Limits;
using VmRepl.Journal.Points;
using VmRepl.Journal.Store;

namespace VmRepl.Journal.Views;

/// <summary>A whole group as of one point: every disk at the same moment, and the definition as it was.</summary>
public sealed class GroupView : IDisposable
{
    private readonly GroupJournal journal;
    private readonly RangeHold hold;

    /// <param name="givesWay">Whether a hard limit may close it.</param>
    /// <exception cref="ArgumentOutOfRangeException">The point is outside the range.</exception>
    internal GroupView(GroupStore store, RecoveryPoint point, bool givesWay = true)
    {
        Point = point;
        Description = store.Description;
        journal = store.Journal;
        hold = new RangeHold(store.Description.Name, point.Sequence, givesWay);
        journal.Pin(hold);
        try
        {
            Disks = store.Description.Disks.ToDictionary(d => d.Id, d => new PointInTimeView(journal, d.Id, store.Live[d.Id], hold));
            Metadata = journal.MetadataAt(point.Sequence);
        }
        catch
        {
            journal.Unpin(hold);
            throw;
        }
    }

    public RecoveryPoint Point { get; }

    public GroupDescription Description { get; }

    /// <summary>The disks by id.</summary>
    public IReadOnlyDictionary<uint, PointInTimeView> Disks { get; }

    /// <summary>The values of the group's keys; <c>definition</c> is the VM's definition.</summary>
    public IReadOnlyDictionary<string, byte[]> Metadata { get; }

    /// <summary>Whether it gave way at a hard limit of the journal: every read ends in a <see cref="ViewClosedException"/>.</summary>
    public bool IsClosed => hold.ClosedBecause is not null;

    public void Dispose()
    {
        foreach (var disk in Disks.Values) disk.Dispose();
        journal.Unpin(hold);
    }
}
