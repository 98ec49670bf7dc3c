using System.Diagnostics;
using System.Globalization;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Journal.Store;

namespace VmRepl.Benchmarks.Scale;

/// <summary>
/// What a long journal costs: opening it after a clean stop and after a kill -9, opening and reading views, the index's memory.
/// <c>VmRepl.Benchmarks scale DIRECTORY [RECORDS [RECORD-BYTES [DISK-MIB]]]</c>; the filling is done by a process of its own, which is killed or stops.
/// </summary>
internal static class ScaleBench
{
    private const int Reads = 100_000, BlockBytes = 4096, Rounds = 9;
    private const string Kill = "kill", Stop = "stop";

    public static int Run(string[] arguments)
    {
        if (arguments is ["fill", var how, var target, .. var shape])
        {
            Fill(target, how, shape);
            return 0;
        }

        // "scale open STORE": the same of what "scale fill stop STORE RECORDS RECORD-BYTES DISK-MIB" left, for a profiler to look at.
        if (arguments is ["open", var filled])
        {
            Open(filled, "again", withViews: true);
            return 0;
        }

        if (arguments.Length is 0 or > 4)
        {
            Console.Error.WriteLine("usage: VmRepl.Benchmarks scale DIRECTORY [RECORDS [RECORD-BYTES [DISK-MIB]]]");
            return 2;
        }

        string[] numbers = [.. arguments[1..], .. new[] { "1000000", "4096", "1024" }[(arguments.Length - 1)..]];
        var directory = Path.Combine(Path.GetFullPath(arguments[0]), $"vmrepl-scale-{Environment.ProcessId}");
        try
        {
            foreach (var fact in Machine.Describe(Path.GetFullPath(arguments[0]))) Console.WriteLine($"- {fact}");
            foreach (var end in new[] { Kill, Stop })
            {
                if (Directory.Exists(directory)) Directory.Delete(directory, recursive: true);
                Console.WriteLine(Filled([.. CommandLineTool.Self, "scale", "fill", end, directory, .. numbers]));
                Open(directory, end == Kill ? "after kill -9" : "after a clean stop", withViews: end == Stop);
            }

            return 0;
        }
        finally
        {
            if (Directory.Exists(directory)) Directory.Delete(directory, recursive: true);
        }
    }

    private static void Fill(string directory, string end, string[] shape)
    {
        int[] numbers = [.. shape.Select(n => int.Parse(n, CultureInfo.InvariantCulture))];
        long most = 0;
        var watch = Stopwatch.StartNew();
        var store = ScaleStore.Fill(directory, numbers[0], numbers[1], numbers[2], bytes => most = Math.Max(most, bytes));
        var journal = store.Get("scale").Journal;
        using var self = Process.GetCurrentProcess();
        Say($"- filled: {numbers[0]} records of {numbers[1]} bytes over {numbers[2]} MiB in {watch.Elapsed.TotalSeconds:F1} s; {journal.SegmentBytes >> 20} MiB of segments; index memory at most {most >> 20} MiB, heap {GC.GetTotalMemory(true) >> 20} MiB; {journal.Counters.IndexFilesWritten} index files written, {journal.Counters.IndexMerges} merges");
        Console.Out.Flush();
        if (end == Kill) self.Kill();
        store.Dispose();
    }

    /// <summary>What it printed; one that kills itself ends as it is meant to.</summary>
    private static string Filled(string[] command)
    {
        using var process = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardOutput = true })!;
        var said = process.StandardOutput.ReadToEnd().TrimEnd();
        process.WaitForExit();
        return said.Length > 0 ? said : throw new BenchException("the store could not be filled");
    }

    private static void Open(string directory, string after, bool withViews)
    {
        var watch = Stopwatch.StartNew();
        using var store = ReplicaStore.OpenForWriting(new HostDirectory(directory), ScaleStore.Settings);
        var group = store.Get("scale");
        Say($"- opened {after} in {watch.Elapsed.TotalMilliseconds:F0} ms: {group.Journal.Counters.CommitsReadAtOpening} commits read, {group.Journal.Counters.RecordsRedone} records redone, {group.Journal.Points.Count} points, index memory {group.Journal.IndexMemoryBytes >> 20} MiB");
        if (!withViews) return;
        Say($"| view of a point at | opened in, ms | bytes read for it | 4 KiB random reads a second, first pass | bytes read of index and journal, a read of it | after it | the same | the live image | of its rate, median (least to greatest) of 9 rounds in turn |");
        Say($"| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
        foreach (var place in new[] { 0.0, 0.5, 0.99, 1.0 }) MeasureView(group, place);
        watch.Restart();
        group.Journal.PointCosts();
        Say($"- the cost of going back to every point, as `points` shows it: {watch.Elapsed.TotalMilliseconds:F0} ms; index memory {group.Journal.IndexMemoryBytes >> 20} MiB");
    }

    private static void MeasureView(GroupStore group, double place)
    {
        var points = group.Journal.Points;
        var point = points[(int)(place * (points.Count - 1))];
        var before = group.Journal.BytesRead;
        var watch = Stopwatch.StartNew();
        using var view = group.OpenView(point);
        var openedMs = watch.Elapsed.TotalMilliseconds;
        var read = group.Journal.BytesRead - before;
        Rate(group.Live[1], 1);
        before = group.Journal.BytesRead;
        var first = Rate(view.Disks[1], 1);
        var readFirst = group.Journal.BytesRead - before;
        before = group.Journal.BytesRead;
        // In turn, other places each time; the first round fills what is kept and is not counted.
        var rounds = Enumerable.Range(0, Rounds + 1).Select(i => (View: Rate(view.Disks[1], 2 + i), Live: Rate(group.Live[1], 2 + i))).Skip(1).ToList();
        var readAfter = group.Journal.BytesRead - before;
        var ratios = rounds.Select(r => r.View / r.Live).Order().ToList();
        Say($"| {place:P0} of the range | {openedMs:F1} | {read} | {first:F0} | {readFirst / Reads} | {Median(rounds.Select(r => r.View)):F0} | {readAfter / (Reads * (Rounds + 1))} | {Median(rounds.Select(r => r.Live)):F0} | {Median(ratios):F2} ({ratios[0]:F2}–{ratios[^1]:F2}) |");
    }

    private static double Median(IEnumerable<double> values) => values.Order().ElementAt(Rounds / 2);

    private static double Rate(IBlockDevice disk, int seed)
    {
        var random = new Random(seed);
        var buffer = new byte[BlockBytes];
        var watch = Stopwatch.StartNew();
        for (var i = 0; i < Reads; i++) disk.Read(random.NextInt64(disk.Length / BlockBytes) * BlockBytes, buffer);
        return Reads / watch.Elapsed.TotalSeconds;
    }

    private static void Say(FormattableString line) => Console.WriteLine(line.ToString(CultureInfo.InvariantCulture));
}
