using VmRepl.Blocks;
using VmRepl.Blocks.Files;
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

    /// <summary>The same, to be written: over scratch files in a directory that is the caller's. As many as one likes, none of which sees another's writes; this view stays as it is and has to outlive them.</summary>
    /// <exception cref="IOException">A scratch file could not be made.</exception>
    /// <exception cref="ViewClosedException">The view gave way.</exception>
    public ScratchView WithScratch(IHostDirectory directory)
    {
        hold.ThrowIfClosed();
        return new ScratchView(this, hold, directory);
    }

    /// <summary>
    /// The parts of [<paramref name="offset"/>, offset+<paramref name="length"/>) of a disk that records after the point have touched, in order, apart from each other. Looked at as it is enumerated: what is
    /// appended meanwhile may or may not be in it. Whatever differs between this point and a later one is in it.
    /// </summary>
    /// <exception cref="ViewClosedException">The view gave way; the records after the point are not all known any more.</exception>
    public IEnumerable<Extent> TouchedSince(uint disk, long offset, long length)
    {
        var range = new Extent(offset, length);
        for (long? from = offset; from is { } at && at < range.End;)
        {
            (var touched, from) = journal.TouchedAfter(disk, at, Point.Sequence);
            hold.ThrowIfClosed();
            foreach (var part in touched)
            {
                if (part.Offset >= range.End) yield break;
                if (part.Intersect(range) is { IsEmpty: false } inside) yield return inside;
            }
        }
    }

    public void Dispose()
    {
        foreach (var disk in Disks.Values) disk.Dispose();
        journal.Unpin(hold);
    }
}
