using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Replication.Source.Tracking;

/// <summary>
/// Which segments of 64 KiB of a disk were written since each of its last anchors. An anchor is a sequence that the replica has held, with everything that was begun before the anchor's interval: where a replica comes back with
/// less than it had acknowledged, but with an anchor's sequence, what differs was written since, and nothing but that has to be brought over.
/// <para>A write is noted in one place, the newest interval; what was written since an anchor is what its interval and the later ones hold. Of <see cref="IntervalCount"/> intervals the oldest goes when a new one begins.</para>
/// <para><c>NAME.anchors</c> is mapped memory and outlives the process. The host's end, damage, and whatever else leaves the marks without full trust ends all anchors. See docs/replication.md, Tracking.</para>
/// Safe for concurrent use, but for <see cref="Begin"/> and <see cref="Make"/>, which one at a time may call.
/// </summary>
internal sealed class AnchorLog : IDisposable
{
    /// <summary>Intervals that are kept.</summary>
    public const int IntervalCount = 4;

    private const int PageBytes = IHostMemory.PageBytes, SegmentsPerPage = PageBytes * 8, ReadBytes = 1 << 20;

    private readonly Lock gate;
    private readonly IHostMemory memory;
    private readonly long diskLength;
    private readonly int pages;
    private int current;

    private AnchorLog(Lock gate, IHostMemory memory, long diskLength, int pages) => (this.gate, this.memory, this.diskLength, this.pages) = (gate, memory, diskLength, pages);

    /// <summary>Sequences of the anchors that are there, the newest first.</summary>
    public IReadOnlyList<ulong> Sequences
    {
        get
        {
            lock (gate) return [.. Intervals().Where(i => i.Sequence != 0).Select(i => i.Sequence).OrderDescending()];
        }
    }

    /// <summary>Opens the anchors of a disk. What is not to be believed is begun anew, without any.</summary>
    /// <param name="gate">Of the disk's marks: <see cref="Note"/> is called under it.</param>
    /// <param name="lastBegun">When the newest write began, by the marks (UTC ticks): anchors that know of another have missed one. Null where the marks are not to be believed.</param>
    /// <exception cref="IOException">The file cannot be made.</exception>
    public static AnchorLog Open(IHostDirectory directory, string name, MarksLayout layout, Lock gate, long? lastBegun)
    {
        var file = $"{name}.anchors";
        var length = (1 + ((long)IntervalCount * layout.SegmentPageCount)) * PageBytes;
        var isBelieved = lastBegun is { } begun && IsIntact(directory, file, layout.DiskLength, length, begun);
        if (!isBelieved)
        {
            if (directory.FileExists(file)) directory.Delete(file);
            using var made = directory.Open(file, HostFileAccess.CreateNew);
            made.SetLength(length);
            made.Flush();
        }

        var memory = directory.Map(file);
        try
        {
            memory.Reserve(0, memory.PageCount);
            var log = new AnchorLog(gate, memory, layout.DiskLength, layout.SegmentPageCount);
            if (isBelieved) log.current = AnchorHeader.Newest(memory.Page(0));
            else AnchorHeader.Create(memory.WritablePage(0), layout.DiskLength);
            return log;
        }
        catch
        {
            memory.Dispose();
            throw;
        }
    }

    /// <summary>A write begins. To be called under the gate, before either side is changed.</summary>
    /// <param name="begunTicks">As the marks note it.</param>
    public void Note(Extent extent, long begunTicks)
    {
        var last = (extent.End - 1) / MarksLayout.SegmentBytes;
        for (var segment = extent.Offset / MarksLayout.SegmentBytes; segment <= last;)
        {
            var within = (int)(segment % SegmentsPerPage);
            var count = (int)Math.Min(last - segment + 1, SegmentsPerPage - within);
            _ = MarkBits.Set(memory.WritablePage(Page(current, (int)(segment / SegmentsPerPage))), within, count);
            segment += count;
        }

        AnchorHeader.SetBegun(memory.WritablePage(0), begunTicks);
    }

    /// <summary>Begins an interval: what begins from now on is noted there. It is no anchor until it is made one.</summary>
    public void Begin()
    {
        int next;
        lock (gate)
        {
            next = (current + 1) % IntervalCount;
            AnchorHeader.SetInterval(memory.WritablePage(0), next, default);
        }

        // Nobody looks at it meanwhile.
        for (var page = 0; page < pages; page++)
        {
            if (memory.Page(Page(next, page)).ContainsAnyExcept((byte)0)) memory.WritablePage(Page(next, page)).Clear();
        }

        lock (gate)
        {
            AnchorHeader.SetInterval(memory.WritablePage(0), next, new AnchorHeader.Interval(AnchorHeader.Get(memory.Page(0), current).Number + 1, 0));
            current = next;
        }
    }

    /// <summary>The newest interval becomes an anchor.</summary>
    /// <param name="sequence">Not 0. Whoever has everything up to here has what was begun before the interval.</param>
    public void Make(ulong sequence)
    {
        lock (gate) AnchorHeader.SetInterval(memory.WritablePage(0), current, AnchorHeader.Get(memory.Page(0), current) with { Sequence = sequence });
    }

    /// <summary>The replica has no more than this: anchors behind it are of a history that it does not have.</summary>
    public void ForgetAfter(ulong sequence)
    {
        lock (gate)
        {
            for (var i = 0; i < IntervalCount; i++)
            {
                var interval = AnchorHeader.Get(memory.Page(0), i);
                if (interval.Sequence > sequence) AnchorHeader.SetInterval(memory.WritablePage(0), i, interval with { Sequence = 0 });
            }
        }
    }

    /// <summary>Ends all anchors: the two sides may differ where nothing was noted.</summary>
    public void Clear() => ForgetAfter(0);

    /// <summary>What was written since an anchor, by whole segments; null where it is not there.</summary>
    public ExtentSet? WrittenSince(ulong sequence)
    {
        lock (gate)
        {
            if (Intervals().FirstOrDefault(i => i.Sequence == sequence) is not { Number: > 0 } anchor) return null;
            var written = new ExtentSet();
            for (var i = 0; i < IntervalCount; i++)
            {
                if (AnchorHeader.Get(memory.Page(0), i).Number < anchor.Number) continue;
                for (var page = 0; page < pages; page++) AddTo(written, memory.Page(Page(i, page)), (long)page * SegmentsPerPage);
            }

            return written;
        }
    }

    /// <exception cref="IOException">What is there may not outlive the host.</exception>
    public void Flush() => memory.Flush(0, memory.PageCount);

    public void Dispose() => memory.Dispose();

    private static bool IsIntact(IHostDirectory directory, string name, long diskLength, long length, long begun)
    {
        try
        {
            if (!directory.FileExists(name)) return false;
            using var file = directory.Open(name, HostFileAccess.Read);
            if (file.Length != length) return false;
            // All of it is read: what cannot be is found here and not as a fault of memory.
            var buffer = new byte[Math.Min(length, ReadBytes)];
            for (var at = length; at > 0; at -= buffer.Length) file.ReadExactly(Math.Max(0, at - buffer.Length), buffer);
            return AnchorHeader.IsIntact(buffer.AsSpan(0, PageBytes), diskLength, begun);
        }
        catch (IOException)
        {
            return false;
        }
    }

    private long Page(int interval, int page) => 1 + ((long)interval * pages) + page;

    private IEnumerable<AnchorHeader.Interval> Intervals() => Enumerable.Range(0, IntervalCount).Select(i => AnchorHeader.Get(memory.Page(0), i));

    private void AddTo(ExtentSet target, ReadOnlySpan<byte> bits, long firstSegment)
    {
        for (var first = MarkBits.Next(bits, 0, set: true); first < SegmentsPerPage;)
        {
            var next = MarkBits.Next(bits, first, set: false);
            var start = (firstSegment + first) * MarksLayout.SegmentBytes;
            var end = Math.Min(diskLength, (firstSegment + next) * MarksLayout.SegmentBytes);
            if (start < end) target.Add(Extent.FromEnds(start, end));
            first = MarkBits.Next(bits, next, set: true);
        }
    }
}
