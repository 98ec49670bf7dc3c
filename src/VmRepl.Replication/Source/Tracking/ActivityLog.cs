using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Replication.Source.Tracking;

/// <summary>
/// Which segments of 4 MiB are written to: on stable storage before the first write into one, so that after the host's end no write is outside of them or of the marks that were durable. A segment stays active
/// while it is written to, so a hot region costs one flush.
/// <para>States: kept; given up, after a failed write or flush, of which nobody knows what it left: the file is removed, and one that is missing means that everything may differ. Then all segments count as
/// active. Where it cannot even be removed, nothing becomes active any more.</para>
/// The gate is the log's: whoever asks what is active holds it. <see cref="ActivateAsync"/> and <see cref="DeactivateAsync"/> take it themselves, and write to the file one at a time.
/// </summary>
internal sealed class ActivityLog : IDisposable
{
    /// <summary>What is activated beside, where the segment before is active too: whoever writes in order then waits for a flush every 16 MiB.</summary>
    private const int Ahead = 3;

    private readonly IHostDirectory directory;
    private readonly string name;
    private readonly long diskLength;
    private readonly Lock gate;
    private readonly int segmentCount;
    private readonly SemaphoreSlim turn = new(1, 1);
    private readonly ulong[] active;
    private readonly uint[] touched;
    private readonly IHostFile file;
    private ActivationRound? gathering;
    private uint tick = 1;

    private ActivityLog(IHostDirectory directory, string name, long diskLength, Lock gate, IHostFile file, ulong[] active)
    {
        this.directory = directory;
        this.name = name;
        this.diskLength = diskLength;
        this.gate = gate;
        this.file = file;
        this.active = active;
        segmentCount = ActivityFile.SegmentCount(diskLength);
        touched = new uint[segmentCount];
        ActiveCount = MarkBits.Count(System.Runtime.InteropServices.MemoryMarshal.AsBytes(active.AsSpan()));
    }

    /// <summary>Segments that are active.</summary>
    public int ActiveCount { get; private set; }

    /// <summary>Why the log was given up; null while it is kept.</summary>
    public IOException? Failure { get; private set; }

    /// <summary>Flushes for segments that became active.</summary>
    public long FlushCount { get; private set; }

    /// <summary>Segments that wait for the next flush.</summary>
    public int WaitingCount
    {
        get
        {
            lock (gate) return gathering?.Segments.Count ?? 0;
        }
    }

    public long MemoryBytes => (active.LongLength * sizeof(ulong)) + (touched.LongLength * sizeof(uint));

    /// <summary>Opens the file and writes it anew, in place where it has its length.</summary>
    /// <param name="active">What it is to hold, as <see cref="ActivityFile"/> has it; null for all segments.</param>
    /// <exception cref="IOException">It cannot be written.</exception>
    public static ActivityLog Create(IHostDirectory directory, string name, long diskLength, Lock gate, ulong[]? active)
    {
        var words = new ulong[ActivityFile.WordCount(diskLength)];
        if (active is not null) active.CopyTo(words, 0);
        else for (var segment = 0; segment < ActivityFile.SegmentCount(diskLength); segment++) words[segment >> 6] |= 1UL << (segment & 63);
        var isThere = directory.FileExists(name);
        var file = directory.Open(name, isThere ? HostFileAccess.ReadWrite : HostFileAccess.CreateNew);
        try
        {
            file.SetLength((long)ActivityFile.SectorCount(diskLength) * ActivityFile.SectorBytes);
            for (var number = 0; number < ActivityFile.SectorCount(diskLength); number++) file.Write((long)number * ActivityFile.SectorBytes, ActivityFile.Sector(number, diskLength, words));
            file.Flush();
            if (!isThere) directory.Flush();
            return new ActivityLog(directory, name, diskLength, gate, file, words);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Whether all segments of a range are active, for a write that begins.</summary>
    public bool Touch(Extent extent)
    {
        var isActive = true;
        for (var segment = First(extent); segment <= Last(extent); segment++)
        {
            touched[segment] = tick;
            isActive &= IsActive(segment);
        }

        return isActive || Failure is not null;
    }

    /// <summary>Makes the segments of a range active. Whoever asks while another's flush is being waited for shares the next one.</summary>
    /// <exception cref="IOException">They are not, and the log could not be given up either: nothing may be written there.</exception>
    public async ValueTask ActivateAsync(Extent extent)
    {
        ActivationRound round;
        bool leads;
        lock (gate)
        {
            if (Touch(extent)) return;
            leads = gathering is null;
            round = gathering ??= new ActivationRound();
            var last = First(extent) > 0 && IsActive(First(extent) - 1) ? Math.Min(Last(extent) + Ahead, segmentCount - 1) : Last(extent);
            for (var segment = First(extent); segment <= last; segment++)
            {
                if (!IsActive(segment)) round.Segments.Add(segment);
            }
        }

        if (!leads)
        {
            await round.Done;
            return;
        }

        await turn.WaitAsync();
        try
        {
            Activate(round);
            round.Complete();
        }
        catch (Exception e)
        {
            round.Fail(e);
            throw;
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>From now on a touch is told from those before.</summary>
    /// <returns>The number of the time that ended.</returns>
    public uint Tick() => tick++;

    /// <summary>Active segments that were last touched at <paramref name="touchedBy"/> or before, or beyond <paramref name="most"/> of all those that are active; those in use left out.</summary>
    public List<int> Resting(uint touchedBy, int most, IReadOnlySet<int> inUse)
    {
        var candidates = new List<int>();
        if (Failure is not null) return candidates;
        for (var segment = 0; segment < segmentCount; segment++)
        {
            if (active[segment >> 6] == 0) segment |= 63;
            else if (IsActive(segment) && !inUse.Contains(segment)) candidates.Add(segment);
        }

        candidates.Sort((left, right) => touched[left] != touched[right] ? touched[left].CompareTo(touched[right]) : left.CompareTo(right));
        var surplus = Math.Max(0, ActiveCount - most);
        return [.. candidates.Where((segment, i) => i < surplus || touched[segment] <= touchedBy)];
    }

    /// <summary>Takes out those of the segments that were not touched since <paramref name="endedTick"/>.</summary>
    /// <returns>How many.</returns>
    public async ValueTask<int> DeactivateAsync(IReadOnlyList<int> segments, uint endedTick)
    {
        await turn.WaitAsync();
        try
        {
            var count = 0;
            var sectors = new Dictionary<int, byte[]>();
            lock (gate)
            {
                if (Failure is not null) return 0;
                foreach (var segment in segments.Where(s => IsActive(s) && touched[s] <= endedTick))
                {
                    active[segment >> 6] &= ~(1UL << (segment & 63));
                    sectors[ActivityFile.SectorOf(segment)] = [];
                    count++;
                }

                ActiveCount -= count;
                foreach (var number in sectors.Keys.Order()) sectors[number] = ActivityFile.Sector(number, diskLength, active);
            }

            if (count == 0) return 0;
            try
            {
                foreach (var (number, sector) in sectors) file.Write((long)number * ActivityFile.SectorBytes, sector);
                file.Flush();
            }
            catch (IOException cause)
            {
                GiveUp(cause);
            }

            return count;
        }
        finally
        {
            turn.Release();
        }
    }

    public void Dispose()
    {
        file.Dispose();
        turn.Dispose();
    }

    private static int First(Extent extent) => (int)(extent.Offset / ActivityFile.SegmentBytes);

    private static int Last(Extent extent) => (int)((extent.End - 1) / ActivityFile.SegmentBytes);

    private bool IsActive(int segment) => (active[segment >> 6] >> (segment & 63) & 1) != 0;

    private void Activate(ActivationRound round)
    {
        var sectors = new SortedDictionary<int, byte[]>();
        lock (gate)
        {
            gathering = null;
            round.Segments.RemoveWhere(IsActive);
            if (round.Segments.Count == 0 || Failure is not null) return;
            var next = (ulong[])active.Clone();
            foreach (var segment in round.Segments) next[segment >> 6] |= 1UL << (segment & 63);
            foreach (var number in round.Segments.Select(ActivityFile.SectorOf).Distinct()) sectors[number] = ActivityFile.Sector(number, diskLength, next);
        }

        try
        {
            foreach (var (number, sector) in sectors) file.Write((long)number * ActivityFile.SectorBytes, sector);
            file.Flush();
        }
        catch (IOException cause)
        {
            GiveUp(cause);
            return;
        }

        lock (gate)
        {
            FlushCount++;
            foreach (var segment in round.Segments)
            {
                active[segment >> 6] |= 1UL << (segment & 63);
                touched[segment] = tick;
            }

            ActiveCount += round.Segments.Count;
        }
    }

    /// <summary>One that is missing says that every segment may have been written to.</summary>
    private void GiveUp(IOException cause)
    {
        directory.Delete(name);
        directory.Flush();
        lock (gate) Failure = cause;
    }
}
