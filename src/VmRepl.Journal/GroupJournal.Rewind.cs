using VmRepl.Blocks;
using VmRepl.Journal.Points;
using VmRepl.Journal.Rewind;

namespace VmRepl.Journal;

/// <content>What a rewind has to know: which sectors were touched after a point, and how much that is for every point.</content>
public sealed partial class GroupJournal
{
    // The index is looked through in pieces of so many runs, so that nobody waits long for its lock.
    private const int RunsAtOnce = 16_384;

    private readonly AppendRate rate = new();

    /// <summary>Sequence with which the newest rewind began, finished or not; 0 where none is known. Grows with each.</summary>
    public ulong NewestRewind
    {
        get
        {
            lock (indexGate) return points.NewestRewind;
        }
    }

    /// <summary>Time of the newest record, microseconds since 1970 UTC; 0 where there is none.</summary>
    public long NewestTimeUs
    {
        get
        {
            lock (indexGate) return segments.Count > 0 ? segments[^1].LastTimeUs : 0;
        }
    }

    /// <summary>The keys that have a value now.</summary>
    public IReadOnlyList<string> MetadataKeys
    {
        get
        {
            lock (indexGate) return [.. metadata.Resolve(position.Durable).Select(m => m.Key)];
        }
    }

    /// <summary>A time for records that are made here: the present, and later than every record.</summary>
    internal long NextTimeUs => Math.Max(NewestTimeUs + 1, (time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks / 10);

    /// <summary>Most bytes of payload in a record that is made here.</summary>
    internal int PieceBytes => pieceBytes;

    /// <summary>Bytes of a segment that is made from now on. A batch of half of it is taken at any capacity, once what may be retired is.</summary>
    public long SegmentBytesEach => options.SegmentBytes;

    /// <summary>
    /// For every point, as <see cref="Points"/> lists them, what it takes to go back to it. One pass over the index whatever the number of points.
    /// Exact while nothing is appended; what is appended meanwhile may or may not be in it.
    /// </summary>
    public IReadOnlyList<PointCost> PointCosts()
    {
        var all = Points;
        ulong[] sequences = [.. all.Select(p => p.Sequence).Distinct().Order()];
        var bytes = BytesTouchedAfter(sequences);
        var bytesPerSecond = rate.BytesPerSecond;
        return [.. all.Select(p => Cost(p, bytes[Array.BinarySearch(sequences, p.Sequence)]))];

        PointCost Cost(RecoveryPoint point, long touched) => new(point, touched, touched == 0 ? 0 : touched / bytesPerSecond);
    }

    /// <summary>Bytes touched after each of the sequences, which ascend; each byte counted once for each.</summary>
    internal long[] BytesTouchedAfter(ulong[] sequences)
    {
        var bytes = new long[sequences.Length];
        foreach (var disk in live.Keys)
        {
            for (long? from = 0; from is { } at;)
            {
                lock (indexGate) from = index.CountTouched(disk, sequences, bytes, at, RunsAtOnce);
            }
        }

        for (var i = bytes.Length - 2; i >= 0; i--) bytes[i] += bytes[i + 1];
        return bytes;
    }

    /// <summary>The next parts of a disk that a record after <paramref name="point"/> touches; see <see cref="Index.LayeredIndex.TouchedAfter"/>.</summary>
    internal (List<Extent> Touched, long? Next) TouchedAfter(uint disk, long from, ulong point)
    {
        lock (indexGate) return index.TouchedAfter(disk, from, point, RunsAtOnce);
    }
}
