using System.Diagnostics;
using VmRepl.Blocks;
using VmRepl.Nbd;
using VmRepl.Nbd.Client;

namespace VmRepl.EndToEnd.Following;

/// <summary>
/// Writes blocks of a served disk over NBD until it is told to stop, and knows of each which writes were answered. Where the server is gone it waits until there is one again. A block is written by one thread, so what
/// is on the disk is the newest write that was answered, or one that was begun later.
/// </summary>
internal sealed class Guest : IDisposable
{
    private static readonly TimeSpan ReconnectPause = TimeSpan.FromMilliseconds(20);

    private readonly Func<NbdClient> connect;
    private readonly GuestLoad load;
    private readonly int[] begun;
    private readonly int[] answered;
    private readonly byte[] touched;
    private readonly List<double>[] latencies;
    private readonly long[] due;
    private readonly Thread[] threads;
    private readonly int stride;
    private volatile bool isEnding, isResting;
    private int atRest;
    private Exception? failure;

    /// <param name="connect">Opens the disk.</param>
    public Guest(Func<NbdClient> connect, GuestLoad load)
    {
        (this.connect, this.load) = (connect, load);
        using (var disk = connect()) DiskBlocks = (int)(disk.Length / BlockContents.Bytes);
        (begun, answered, touched) = (new int[DiskBlocks], new int[DiskBlocks], new byte[DiskBlocks]);
        stride = load.Blocks == 0 ? 1 : DiskBlocks / load.Blocks;
        due = new long[load.Depth];
        latencies = [.. Enumerable.Range(0, load.Depth).Select(_ => new List<double>())];
        threads = [.. Enumerable.Range(0, load.Depth).Select(i => new Thread(() => Run(i)) { IsBackground = true, Name = $"guest {i}" })];
        foreach (var thread in threads) thread.Start();
    }

    public int DiskBlocks { get; }

    /// <summary>Writes that were answered.</summary>
    public long Writes => latencies.Sum(l => (long)l.Count);

    /// <summary>Bytes of distinct blocks that were written, or begun to be, since <see cref="CountDistinct"/>.</summary>
    public long DistinctBytes => touched.Sum(t => (long)t) * BlockContents.Bytes;

    /// <summary>Bytes of the segments, aligned stretches of so many bytes each, in which these blocks lie.</summary>
    public long DistinctSegmentBytes(int segmentBytes) =>
        Enumerable.Range(0, DiskBlocks).Where(b => touched[b] != 0).Select(b => (long)b * BlockContents.Bytes / segmentBytes).Distinct().Count() * (long)segmentBytes;

    /// <summary>Begins to count distinct blocks.</summary>
    public void CountDistinct() => Array.Clear(touched);

    /// <summary>Waits until so many more writes were answered.</summary>
    public void AwaitWrites(long more, TimeSpan limit)
    {
        var target = Writes + more;
        for (var waited = Stopwatch.StartNew(); Writes < target; Thread.Sleep(5))
        {
            if (failure is not null) throw new AssertionException($"the guest failed: {failure}");
            if (waited.Elapsed > limit) throw new TimeoutException($"{Writes - target + more} writes of {more} were answered in {limit.TotalSeconds} s");
        }
    }

    /// <summary>Lets every write that is under way end and begins none until <see cref="GoOn"/>.</summary>
    public void Rest()
    {
        isResting = true;
        for (var waited = Stopwatch.StartNew(); Volatile.Read(ref atRest) < threads.Length; Thread.Sleep(1))
        {
            if (waited.Elapsed > TimeSpan.FromSeconds(60)) throw new TimeoutException("writes were not answered in 60 s");
        }
    }

    public void GoOn() => isResting = false;

    /// <summary>Milliseconds from the beginning of a write to its answer, all of them, ascending.</summary>
    public double[] Latencies => [.. latencies.SelectMany(l => l).Order()];

    /// <summary>Forgets the latencies and the number of writes so far. It has to be at rest.</summary>
    public void ForgetLatencies() => Array.ForEach(latencies, l => l.Clear());

    /// <summary>Ends, and waits for the writes under way.</summary>
    public void Stop()
    {
        isEnding = true;
        foreach (var thread in threads) thread.Join();
        Assert.That(failure, Is.Null);
    }

    /// <summary>How many writes of each block were answered by now.</summary>
    public int[] Answered => [.. answered];

    /// <summary>Does to a disk's contents what this guest did to the disk: the newest write of each block. All of them have to be answered.</summary>
    public void Replay(byte[] disk)
    {
        for (var number = 0; number < DiskBlocks; number++)
        {
            Assert.That(answered[number], Is.EqualTo(begun[number]));
            if (begun[number] > 0) BlockContents.Fill(disk.AsSpan(number * BlockContents.Bytes, BlockContents.Bytes), number, begun[number]);
        }
    }

    /// <summary>What of what was answered is not there.</summary>
    /// <param name="raw">A disk's contents as a file.</param>
    /// <param name="wanted">What <see cref="Answered"/> was.</param>
    /// <returns>Numbers of blocks that hold something older, or something that was never written there.</returns>
    public List<long> Lost(string raw, int[] wanted)
    {
        var lost = new List<long>();
        var block = new byte[BlockContents.Bytes];
        using var file = File.OpenRead(raw);
        for (var number = 0; number < DiskBlocks; number++)
        {
            if (begun[number] == 0) continue;
            file.Position = (long)number * BlockContents.Bytes;
            file.ReadExactly(block);
            if (BlockContents.Version(block, number) is not { } found || found < wanted[number] || found > begun[number]) lost.Add(number);
        }

        return lost;
    }

    public void Dispose()
    {
        isEnding = true;
        foreach (var thread in threads) thread.Join(TimeSpan.FromSeconds(10));
    }

    private void Run(int index)
    {
        try
        {
            var random = new Random((load.Seed * 1000) + index);
            while (!isEnding)
            {
                try
                {
                    using var disk = connect();
                    while (!isEnding) WriteOne(disk, random, index);
                }
                catch (NbdException)
                {
                    Thread.Sleep(ReconnectPause);
                }
            }
        }
        catch (Exception e)
        {
            failure = e;
        }
        finally
        {
            Interlocked.Increment(ref atRest);
        }
    }

    private void WriteOne(NbdClient disk, Random random, int index)
    {
        if (isResting)
        {
            Interlocked.Increment(ref atRest);
            while (isResting && !isEnding) Thread.Sleep(1);
            Interlocked.Decrement(ref atRest);
            return;
        }

        var choices = (load.Blocks == 0 ? DiskBlocks : load.Blocks) / load.Depth;
        var number = ((random.Next(choices) * load.Depth) + index) * stride;
        var block = new byte[BlockContents.Bytes];
        var version = ++begun[number];
        BlockContents.Fill(block, number, version);
        touched[number] = 1;
        var started = Stopwatch.GetTimestamp();
        disk.Write((long)number * BlockContents.Bytes, block);
        answered[number] = version;
        latencies[index].Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
        if (load.WritesPerSecond == 0) return;
        // What was held up is not made up for at once.
        due[index] = Math.Max(due[index] + Stopwatch.Frequency * load.Depth / load.WritesPerSecond, Stopwatch.GetTimestamp() - Stopwatch.Frequency / 10);
        var left = Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), due[index]);
        if (left.TotalMilliseconds >= 1) Thread.Sleep(left);
    }
}
