using VmRepl.Blocks;
using VmRepl.Journal.Index;
using VmRepl.Journal.Limits;
using VmRepl.Journal.Segments;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal;

/// <content>
/// Limits, and who gives way at a hard one, in this order: what is older than everybody's needs is retired; then views are closed, oldest needs first, each told why; then nothing more is taken.
/// Never given up, whatever the limit: the last checkpoint, the newest offered point (the last one before a round that is still open), the point that a rewind under way goes to.
/// There are no other consumers of the journal yet.
/// </content>
public sealed partial class GroupJournal
{
    /// <summary>What a record takes at most beyond its payload, its alignment included.</summary>
    internal const long RecordOverhead = 1024;

    private readonly JournalLimits limits;
    private readonly RangeHolds holds = new();

    /// <summary>Told, in one sentence, what the administrator should know: a view that was closed, damage that was met.</summary>
    internal Action<string>? Notice { get; set; }

    /// <summary>Retires what a hard limit asks for, as far as it may be: for a journal that was opened with lower limits than it has grown to.</summary>
    internal void KeepLimits()
    {
        lock (writerGate)
        {
            ThrowIfUnusable();
            try
            {
                RetireFor(0, 0, onlyHard: true);
            }
            catch (Exception e)
            {
                failure = e;
                throw;
            }
        }
    }

    /// <summary>Refuses contents that go to the live images unjournaled, before anything is written, where they would eat into the volume's reserve.</summary>
    /// <exception cref="JournalFullException">There is no room for them.</exception>
    internal void RequireVolume(long bytes)
    {
        if (directory.FreeBytes is var free && free - bytes < limits.FreeBytesMin)
            throw new JournalFullException($"{directory.Path}: the volume has {free} bytes free, {bytes} more are needed and {limits.FreeBytesMin} are kept in reserve");
    }

    /// <summary>Refuses, before anything is written, work for which there is no room even when everything is retired that may be.</summary>
    /// <param name="what">The work, as the beginning of a sentence.</param>
    /// <param name="keptFrom">Nothing from this point on may be retired for it.</param>
    /// <param name="journalBytes">Most bytes that it journals, none of which needs undo.</param>
    /// <param name="liveBytes">Bytes that the live images grow by.</param>
    /// <exception cref="JournalFullException">There is none: the bytes needed and those that can be had.</exception>
    internal void RequireRoom(string what, ulong keptFrom, long journalBytes, long liveBytes)
    {
        lock (writerGate)
        {
            ThrowIfUnusable();
            List<SegmentFile> retirable;
            lock (indexGate)
            {
                var floor = Math.Min(keptFrom, holds.HardFloor(points.NewestSequence ?? position.Start));
                retirable = [.. segments.SkipLast(1).TakeWhile(s => s.LastSequence <= floor)];
            }

            var retired = retirable.Sum(s => s.HeldBytes);
            var needed = journalBytes + retirable.Sum(s => HandDownBytes(s, Math.Max(Position.Start, s.LastSequence)));
            var tail = segments.Count > 0 ? segments[^1].PayloadStart - segments[^1].RecordsEnd : 0;
            // What is left at a segment's end may be too little for the next record.
            var usable = options.SegmentBytes - SegmentLayout.HeaderBytes - pieceBytes - RecordOverhead;
            var room = options.CapacityBytes == long.MaxValue ? long.MaxValue
                : Math.Max(0, (options.CapacityBytes - segments.Sum(s => s.HeldBytes) + retired) / options.SegmentBytes * usable) + Math.Max(0, tail - pieceBytes);
            if (needed > room) throw new JournalFullException($"{what} needs {needed} bytes of the journal, and {room} can be had of the {options.CapacityBytes} that it may take");
            var free = Math.Max(0, directory.FreeBytes - limits.FreeBytesMin + retired);
            if (needed + liveBytes > free) throw new JournalFullException($"{what} needs {needed + liveBytes} bytes of the volume, and {free} can be had beside the {limits.FreeBytesMin} that are kept in reserve");
        }
    }

    /// <summary>Keeps every point from the hold's on reachable until <see cref="Unpin"/>, or until it gives way; views do this.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The point is outside the range.</exception>
    internal void Pin(RangeHold hold)
    {
        lock (indexGate)
        {
            var start = Math.Max(position.Start, startDue);
            if (hold.Point < start || hold.Point > position.Durable)
                throw new ArgumentOutOfRangeException(nameof(hold), $"sequence {hold.Point} is outside the recovery range {start} to {position.Durable}");
            holds.Add(hold);
        }
    }

    internal void Unpin(RangeHold hold)
    {
        lock (indexGate) holds.Remove(hold);
    }

    /// <summary>Retires segments as the options ask; refuses the records, before anything is written, where they would pass a limit all the same.</summary>
    private void MakeRoom(IReadOnlyList<Record> records)
    {
        long journalBytes = 0, volumeBytes = 0, largest = 0;
        Record? needy = null;
        foreach (var record in records)
        {
            var (undoBytes, undoRuns) = undo.MostFor(record.Header);
            var needed = Sectors.AlignUp(record.PayloadLength, SegmentLayout.PayloadAlignment) + RecordOverhead
                + undoBytes + (undoRuns * (RecordOverhead + SegmentLayout.PayloadAlignment));
            if (needed > largest) (largest, needy) = (needed, record);
            journalBytes += needed;
            volumeBytes += record.PayloadLength;
        }

        volumeBytes += journalBytes;
        if (RetireFor(journalBytes, volumeBytes, onlyHard: false) is not { IsHard: true } limit) return;
        if (largest > limits.MostForOneRecord)
            throw new JournalFullException($"{directory.Path}: {needy} needs up to {largest} bytes of the journal, its old contents included, and the capacity of {options.CapacityBytes} has room for {limits.MostForOneRecord} at the most") { IsForGood = true };
        // A spare file is space as well.
        if (DropSpares() && Limit(journalBytes, volumeBytes) is not { IsHard: true }) return;
        throw new JournalFullException($"{directory.Path}: {limit.Reason}; {WhatHolds()}");
    }

    /// <returns>The limit that is still met, or null.</returns>
    private JournalLimit? RetireFor(long journalBytes, long volumeBytes, bool onlyHard)
    {
        // What is handed down is written behind: without an end to it, segments of nothing but hand-downs would go round for ever.
        var idle = 0;
        while (true)
        {
            var met = Limit(journalBytes, volumeBytes);
            if (met is not { } limit || (onlyHard && !limit.IsHard) || idle > segments.Count || segments.Count <= 1) return met;
            var oldest = segments[0];
            if (oldest.LastSequence > Position.Checkpoint && oldest.LastSequence <= Position.Applied) WriteCheckpoint();
            var start = Math.Max(Position.Start, oldest.LastSequence);
            if (start == Position.Start) idle++;
            // What is handed down is written before anything is given back: begun without room for that it would end half-way, with the volume full and the journal failed.
            if (HandDownBytes(oldest, start) > directory.FreeBytes || !TryAnnounceStart(start, limit)) return met;
            RetireOldest();
        }
    }

    private JournalLimit? Limit(long journalBytes, long volumeBytes) => limits.Find(
        options.CapacityBytes == long.MaxValue ? 0 : segments.Sum(s => s.HeldBytes), segments.Count > 0 ? segments[^1].PayloadStart - segments[^1].RecordsEnd : 0,
        journalBytes, directory.FreeBytes, volumeBytes, segments.Count > 0 ? segments[0].LastTimeUs : null, time.GetUtcNow());

    /// <summary>Below this the start of the range may never go. Under the index lock.</summary>
    private ulong HardFloor() => holds.HardFloor(Math.Min(position.Checkpoint, points.NewestSequence ?? position.Start));

    /// <summary>
    /// Notes the start that is due, unless something that does not give way still needs what lies before it. From then on no view opens before it; one that is open gives way to a hard limit only.
    /// </summary>
    private bool TryAnnounceStart(ulong start, JournalLimit limit)
    {
        List<RangeHold> closed;
        lock (indexGate)
        {
            if (start > HardFloor() || (!limit.IsHard && start > holds.Floor(start))) return false;
            closed = holds.CloseBefore(start, limit.Reason);
            startDue = start;
        }

        foreach (var point in closed.Select(c => c.Point).Distinct())
        {
            Counters.ViewsClosed++;
            Notice?.Invoke($"the view of point {point} was closed: {limit.Reason}, and the view held what had to be retired");
        }

        return true;
    }

    private string WhatHolds()
    {
        lock (indexGate)
        {
            return segments.Count > 1 && segments[0].LastSequence <= HardFloor() ? "to retire the oldest segment, what newer points still need of it would have to be written first, and there is no room for that"
                : holds.Count > 0 && segments.Count > 1 && segments[0].LastSequence <= Math.Min(position.Checkpoint, points.NewestSequence ?? position.Start) ? "a rewind under way holds what could be retired"
                : "nothing older than the newest recovery point is left to be retired";
        }
    }
}
