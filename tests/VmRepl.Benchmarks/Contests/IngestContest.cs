using System.Globalization;
using System.Text.Json;
using VmRepl.Benchmarks.Ingest;

namespace VmRepl.Benchmarks.Contests;

/// <summary>
/// How fast a replica's journal takes records: ours through <c>GroupStore.Append</c> in a process of its own, beside fio and a C loop of the same system calls, on the same file system.
/// Everybody's time includes the flush at its end.
/// </summary>
internal static class IngestContest
{
    private const int SequentialMib = 1024, DiskMib = 2048, RandomRecords = 200_000, RandomBatch = 64, SingleRecords = 5_000, SingleCapacityMib = 256;
    private const int BlockBytes = 4096;

    public static Contest MakeOverHoles(BenchRun run) => MakeSequential(run, "ingest-holes", isFilled: false);

    public static Contest MakeOverData(BenchRun run) => MakeSequential(run, "ingest-data", isFilled: true);

    /// <summary>4 KiB at random places of a disk full of data, 64 of them to a commit.</summary>
    public static Contest MakeRandom(BenchRun run)
    {
        var figures = new Dictionary<string, List<IngestFigures>> { ["VmRepl"] = [], ["C loop"] = [] };
        var options = new IngestOptions(Store(run), DiskMib, true, BlockBytes, RandomRecords, RandomBatch, true, 0, 0, 1);
        var loop = Path.Combine(run.Directory, "ingest-loop");
        return new Contest("ingest-random", $"{RandomRecords} records of 4 KiB at random over data, {RandomBatch} to a commit, applied and flushed", (long)RandomRecords * BlockBytes,
        [
            new Contestant("VmRepl", Shown(options), () => Noted("VmRepl", Ours(run, options))),
            new Contestant("C loop", $"cc -O2 tests/VmRepl.Benchmarks/Ingest/ingest-loop.c && ingest-loop LIVE JOURNAL {RandomRecords} {RandomBatch} 1", () => Noted("C loop", Loop(run, loop))) { Needs = ["cc"] },
        ])
        {
            Notes = () => [.. figures.Where(f => f.Value.Count > 0).Select(f => string.Create(CultureInfo.InvariantCulture,
                $"{f.Key}: acknowledgement of a commit p50 {Median(f.Value, v => v.P50Ms):F2} ms, p99 {Median(f.Value, v => v.P99Ms):F2} ms; processor {Median(f.Value, v => v.CpuSeconds) / RandomRecords * 1e6:F1} µs for each record"))],
        };

        TimeSpan Noted(string who, IngestFigures taken)
        {
            figures[who].Add(taken);
            return TimeSpan.FromSeconds(taken.Seconds);
        }
    }

    /// <summary>One record at a time; what is compared is the median time to the acknowledgement.</summary>
    public static Contest MakeSingle(BenchRun run)
    {
        // At its capacity the journal writes over files that it has used before, as fio does over its file.
        var warmUp = SingleCapacityMib * (1 << 20) / BlockBytes;
        var options = new IngestOptions(Store(run), SingleCapacityMib, true, BlockBytes, SingleRecords, 1, true, SingleCapacityMib, warmUp, 1);
        var file = Path.Combine(run.Directory, "fio-single");
        string[] fio = ["fio", "--name=single", $"--filename={file}", "--rw=randwrite", "--bs=4k", "--size=256M", "--fdatasync=1", $"--io_size={SingleRecords * 4}k", "--ioengine=psync", "--output-format=json"];
        return new Contest("ingest-single", "median time of one 4 KiB record to its acknowledgement, one at a time (rates mean nothing here)", BlockBytes,
        [
            new Contestant("VmRepl", Shown(options), () => TimeSpan.FromMilliseconds(Ours(run, options).P50Ms)),
            new Contestant("fio write + fdatasync", string.Join(' ', fio) + "     # over a file written before; median of the write plus median of the sync", () =>
            {
                if (!File.Exists(file)) CommandLineTool.Run("fio", "--name=lay", $"--filename={file}", "--rw=write", "--bs=1M", "--size=256M", "--end_fsync=1", "--ioengine=psync");
                using var report = JsonDocument.Parse(CommandLineTool.Run(fio));
                var job = report.RootElement.GetProperty("jobs")[0];
                var ns = MedianNs(job.GetProperty("write").GetProperty("clat_ns")) + MedianNs(job.GetProperty("sync").GetProperty("lat_ns"));
                return TimeSpan.FromMicroseconds(ns / 1000);
            }) { Needs = ["fio"] },
        ])
        { Cleanup = () => File.Delete(file) };

        static double MedianNs(JsonElement latency) => latency.GetProperty("percentile").GetProperty("50.000000").GetDouble();
    }

    private static Contest MakeSequential(BenchRun run, string name, bool isFilled)
    {
        const int batch = 8;
        var options = new IngestOptions(Store(run), SequentialMib, isFilled, 1 << 20, SequentialMib, batch, false, 0, 0, 1);
        var file = Path.Combine(run.Directory, "fio-sequential");
        string[] fio = ["fio", "--name=sequential", $"--filename={file}", "--rw=write", "--bs=1M", $"--size={SequentialMib}M", "--end_fsync=1", "--ioengine=psync", "--output-format=json"];
        return new Contest(name, $"{SequentialMib} records of 1 MiB, one after the other over {(isFilled ? "data" : "holes")}, {batch} to a durable commit, applied and flushed", (long)SequentialMib << 20,
        [
            new Contestant("VmRepl", Shown(options), () => TimeSpan.FromSeconds(Ours(run, options).Seconds)),
            new Contestant("fio", string.Join(' ', fio) + (isFilled ? "     # over a file written before" : "     # a new file"), () =>
            {
                if (!isFilled) File.Delete(file);
                else if (!File.Exists(file)) CommandLineTool.Run(fio);
                using var report = JsonDocument.Parse(CommandLineTool.Run(fio));
                return TimeSpan.FromMilliseconds(report.RootElement.GetProperty("jobs")[0].GetProperty("write").GetProperty("runtime").GetDouble());
            }) { Needs = ["fio"] },
        ])
        { Cleanup = () => File.Delete(file) };
    }

    private static string Store(BenchRun run) => Path.Combine(run.Directory, "ingest");

    private static IngestFigures Ours(BenchRun run, IngestOptions options)
    {
        try
        {
            return IngestFigures.Parse(CommandLineTool.Run([.. CommandLineTool.Self, .. options.ToArguments()]));
        }
        finally
        {
            if (Directory.Exists(Store(run))) Directory.Delete(Store(run), recursive: true);
        }
    }

    private static IngestFigures Loop(BenchRun run, string program)
    {
        if (!File.Exists(program)) CommandLineTool.Run("cc", "-O2", "-o", program, Path.Combine(AppContext.BaseDirectory, "ingest-loop.c"));
        var directory = Store(run);
        Directory.CreateDirectory(directory);
        try
        {
            var live = Path.Combine(directory, "live");
            CommandLineTool.Run("dd", "if=/dev/urandom", $"of={live}", "bs=1M", $"count={DiskMib}", "conv=fdatasync");
            return IngestFigures.Parse(CommandLineTool.Run(program, live, directory, $"{RandomRecords}", $"{RandomBatch}", "1"));
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static string Shown(IngestOptions options) => "VmRepl.Benchmarks " + string.Join(' ', (options with { Directory = "STORE" }).ToArguments());

    private static double Median(IEnumerable<IngestFigures> figures, Func<IngestFigures, double> of)
    {
        double[] sorted = [.. figures.Select(of).Order()];
        return sorted[sorted.Length / 2];
    }
}
