using System.Diagnostics;
using System.Globalization;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Replication.Source.Tracking;

namespace VmRepl.Benchmarks.Tracking;

/// <summary>
/// What marking a write costs, beside the write: <c>VmRepl.Benchmarks marks [DIRECTORY]</c>. A disk of 1 TiB, blocks of 4 KiB; medians of <see cref="Rounds"/> rounds.
/// </summary>
internal static class MarksBench
{
    private const long DiskLength = 1L << 40;
    private const int BlockBytes = 4096, Writes = 1_000_000, Rounds = 7, UnderWay = 64;

    public static int Run(string[] arguments)
    {
        if (arguments.Length > 1)
        {
            Console.Error.WriteLine("usage: VmRepl.Benchmarks marks [DIRECTORY]");
            return 2;
        }

        var parent = Path.GetFullPath(arguments is [var named] ? named : "artifacts");
        var directory = new HostDirectory(Path.Combine(parent, $"vmrepl-marks-{Environment.ProcessId}"));
        directory.Create();
        try
        {
            foreach (var fact in Machine.Describe(parent)) Console.WriteLine($"- {fact}");
            foreach (var threads in new[] { 1, 2, 4 })
            {
                Measure(directory, $"1 GiB hot, {threads} threads", 1L << 30, threads, isInOrder: false);
                Measure(directory, $"in order, {threads} threads", 1L << 30, threads, isInOrder: true);
            }

            Measure(directory, "64 GiB at random, 1 thread", 64L << 30, 1, isInOrder: false);
            MeasureWholeDisk(directory);
            return 0;
        }
        finally
        {
            directory.DeleteTree();
        }
    }

    /// <summary>Begin and end of each write, 64 under way in each thread, all segments active and all pages taken before.</summary>
    private static void Measure(HostDirectory directory, string what, long range, int threads, bool isInOrder)
    {
        using var log = Open(directory);
        for (long at = 0; at < range; at += ActivityFile.SegmentBytes)
        {
            var extent = new Extent(at, BlockBytes);
            if (!log.TryBegin(extent)) Wait(log.ActivateAsync(extent));
            log.End(extent, clean: true);
        }

        var rounds = new List<double>();
        for (var round = 0; round <= Rounds; round++)
        {
            var watch = Stopwatch.StartNew();
            if (threads == 1) Write(log, range, 1, isInOrder);
            else Task.WaitAll(Enumerable.Range(1, threads).Select(t => Task.Run(() => Write(log, range, t, isInOrder))).ToArray());
            // The first is not counted.
            if (round > 0) rounds.Add(watch.Elapsed.TotalNanoseconds / Writes / threads);
        }

        rounds.Sort();
        Print($"{what}: {rounds[Rounds / 2]:F0} ns of the clock a write, begin and end together");
    }

    private static void Write(DirtyRegionLog log, long range, int thread, bool isInOrder)
    {
        var underWay = new Extent[UnderWay];
        var state = (ulong)thread * 0x9E3779B97F4A7C15;
        var at = range / 8 * thread;
        for (var i = 0; i < Writes; i++)
        {
            // Xorshift: the loop's own cost is a few nanoseconds.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            at = isInOrder ? (at + BlockBytes) % range : (long)(state % (ulong)(range / BlockBytes)) * BlockBytes;
            if (i >= UnderWay) log.End(underWay[i % UnderWay], clean: true);
            var extent = underWay[i % UnderWay] = new Extent(at, BlockBytes);
            if (!log.TryBegin(extent)) throw new BenchException($"{extent} is not active");
        }

        foreach (var extent in underWay) log.End(extent, clean: true);
    }

    /// <summary>A million blocks all over 1 TiB with the link down: every page is taken and given up again, and in the end everything is known by segment.</summary>
    private static void MeasureWholeDisk(HostDirectory directory)
    {
        using var log = Open(directory);
        var (random, slowest, watch) = (new Random(1), TimeSpan.Zero, Stopwatch.StartNew());
        for (var i = 0; i < Writes; i++)
        {
            var extent = new Extent(random.NextInt64(DiskLength / BlockBytes) * BlockBytes, BlockBytes);
            var begin = watch.Elapsed;
            _ = log.TryBegin(extent);
            log.End(extent, clean: false);
            if (watch.Elapsed - begin > slowest) slowest = watch.Elapsed - begin;
        }

        Print($"1 TiB at random, first touches: {watch.Elapsed.TotalNanoseconds / Writes:F0} ns a write, the slowest {slowest.TotalMilliseconds:F1} ms");
        var (before, flush) = (directory.AllocatedBytes("bench.marks"), Stopwatch.StartNew());
        Wait(log.DeactivateIdleAsync(() => ValueTask.CompletedTask));
        Print($"1 TiB at random, pages given back by the housekeeping: {(before - directory.AllocatedBytes("bench.marks")) / 1e6:F1} MB in {flush.Elapsed.TotalSeconds:F1} s");
        Print($"1 TiB at random, afterwards: {log.ExactBucketCount} pages by sector; {log.DirtyBytes >> 20} MiB marked, {log.SegmentDirtyBytes >> 20} MiB of it by segment; {log.MemoryBytes / 1e6:F1} MB of the process, {directory.AllocatedBytes("bench.marks") / 1e6:F1} MB of the mapped file");
        watch.Restart();
        _ = log.Dirty(new Extent(0, DiskLength)).Count;
        Print($"all of it as extents: {watch.Elapsed.TotalMilliseconds:F0} ms");
    }

    private static DirtyRegionLog Open(HostDirectory directory)
    {
        foreach (var name in directory.ListFiles()) directory.Delete(name);
        var log = DirtyRegionLog.Open(directory, "bench", DiskLength, new DirtyLogOptions { BootId = Guid.NewGuid(), Time = TimeProvider.System });
        log.ClearSettled();
        return log;
    }

    private static void Wait(ValueTask activation) => activation.AsTask().GetAwaiter().GetResult();

    private static void Wait(ValueTask<int> housekeeping) => housekeeping.AsTask().GetAwaiter().GetResult();

    private static void Print(FormattableString line) => Console.WriteLine(line.ToString(CultureInfo.InvariantCulture));
}
