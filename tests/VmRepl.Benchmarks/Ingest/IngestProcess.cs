using System.Diagnostics;
using VmRepl.Blocks.Files;
using VmRepl.Journal;
using VmRepl.Journal.Store;
using VmRepl.Protocol.Records;

namespace VmRepl.Benchmarks.Ingest;

/// <summary>Appends records to a group of a store on real files, as a replica's session does, and says what that took.</summary>
internal static class IngestProcess
{
    private const int WarmUpBatch = 256;

    // Contents are cut from a pool of random bytes at changing places: nothing compresses, and making them costs next to nothing beside the journal.
    private const int PoolBytes = 16 << 20;

    public static IngestFigures Run(IngestOptions options)
    {
        var settings = new StoreSettings
        {
            NewGuid = Guid.NewGuid,
            Journal = new JournalOptions { CapacityBytes = options.CapacityMib == 0 ? long.MaxValue : (long)options.CapacityMib << 20, FreeBytesMin = 0 },
        };
        using var store = ReplicaStore.OpenForWriting(new HostDirectory(options.Directory), settings);
        var group = store.Create(new GroupDescription("ingest", Guid.NewGuid(), 1, [new DiskDescription(1, "disk", (long)options.DiskMib << 20, 512, "raw")]));
        var pool = new byte[PoolBytes + options.RecordBytes];
        var random = new Random((int)options.Seed);
        random.NextBytes(pool);
        var maker = new RecordSource(options, pool, random);
        if (options.IsFilled) Fill(group, options, pool);
        // The first point ends the baseline; what comes after it is journaled.
        group.Append([maker.Fact(RecordKind.ResyncBegin), maker.Fact(RecordKind.ResyncEnd)]);
        for (var done = 0; done < options.WarmUpRecords; done += WarmUpBatch)
        {
            group.Append(maker.Next(WarmUpBatch));
            group.Append([maker.Bookmark()]);
        }

        group.Journal.Checkpoint();
        return Measure(group, options, maker);
    }

    private static IngestFigures Measure(GroupStore group, IngestOptions options, RecordSource maker)
    {
        var latencies = new List<double>(options.Records / options.Batch);
        using var self = Process.GetCurrentProcess();
        var cpuBefore = self.TotalProcessorTime;
        var watch = Stopwatch.StartNew();
        for (var done = 0; done < options.Records; done += options.Batch)
        {
            var begun = Stopwatch.GetTimestamp();
            group.Append(maker.Next(options.Batch), () => latencies.Add(Stopwatch.GetElapsedTime(begun).TotalMilliseconds));
            // Points let the journal retire; a batch of its own, and one flush, which is counted in the whole.
            if (options.CapacityMib > 0 && done / options.Batch % 64 == 0) group.Append([maker.Bookmark()]);
        }

        group.Journal.Checkpoint();
        var seconds = watch.Elapsed.TotalSeconds;
        self.Refresh();
        latencies.Sort();
        return new IngestFigures(seconds, (self.TotalProcessorTime - cpuBefore).TotalSeconds, latencies[latencies.Count * 99 / 100], latencies[latencies.Count / 2]);
    }

    private static void Fill(GroupStore group, IngestOptions options, byte[] pool)
    {
        const int step = 1 << 20;
        for (long at = 0; at < (long)options.DiskMib << 20; at += step)
        {
            var contents = pool.AsMemory((int)(at % (PoolBytes - step) / 4096 * 4096), step);
            group.ApplyBaseline([Record.Create(new RecordHeader { Kind = RecordKind.Write, Sequence = 1, Disk = 1, Offset = at, Length = step }, contents)]);
        }
    }
}
