using System.Diagnostics;
using VmRepl.Blocks;
using VmRepl.Journal.Index;
using VmRepl.Journal.Index.Files;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Tests.Index.Files;

/// <summary>What a question to a warm file of a million runs costs, on real files. Not a test: it is run by hand and prints.</summary>
public class IndexLookupMeasurement
{
    [Test]
    [Explicit("measures")]
    public void IndexFile_OfAMillionRuns_Lookup()
    {
        const int runs = 1_000_000, asks = 2_000_000;
        var path = Path.Combine(Path.GetTempPath(), $"vmrepl-index-{Environment.ProcessId}");
        var directory = new VmRepl.Blocks.Files.HostDirectory(path);
        directory.Create();
        try
        {
            var layer = new ListLayer(new CommitPlace(1, 0), new CommitPlace(2, 0));
            var random = new Random(1);
            var blocks = new HashSet<long>();
            while (blocks.Count < runs) blocks.Add(random.NextInt64(0, 1 << 26));
            ulong number = 0;
            foreach (var block in blocks.Order()) layer.Append(1, block * 4096, (block + 1) * 4096, [IndexSample.Reference(RecordKind.Write, ++number, block * 4096, 4096)], IndexSample.Reference(RecordKind.Undo, number, block * 4096, 4096));
            var cache = new IndexPageCache(1L << 30);
            var clock = Stopwatch.StartNew();
            using var file = IndexSample.Write(directory, layer, cache);
            TestContext.Out.WriteLine($"written in {clock.ElapsedMilliseconds} ms, {file.FileBytes >> 20} MiB");
            clock.Restart();
            using (IndexFile.Open(directory, IndexFileName.Of(layer.First, layer.End), cache)) TestContext.Out.WriteLine($"opened in {clock.Elapsed.TotalMilliseconds:F1} ms; fences and filters {cache.ReservedBytes >> 10} KiB for both");
            var present = Enumerable.Range(0, asks).Select(_ => random.Next(runs)).Select(blocks.Order().ToArray().ElementAt).ToArray();
            var absent = Enumerable.Range(0, asks).Select(_ => random.NextInt64(0, 1 << 26)).Where(b => !blocks.Contains(b)).ToArray();
            var found = new List<LayerRun>(16);
            foreach (var pass in new[] { "cold", "warm", "warm" })
            {
                Report($"{pass}, present, run only", present, b => file.Find(1, new Extent(b * 4096, 4096), found), found);
                Report($"{pass}, present, run and version", present, b =>
                {
                    file.Find(1, new Extent(b * 4096, 4096), found);
                    file.NewestAt(found[0], ulong.MaxValue);
                }, found);
                Report($"{pass}, absent", absent, b => file.Find(1, new Extent(b * 4096, 4096), found), found);
            }

            clock.Restart();
            using var merge = new IndexMerge(directory, [MergeSource.Of(file)], [1], new MergeBounds(0, 0), cache);
            var longest = TimeSpan.Zero;
            while (true)
            {
                var step = Stopwatch.GetTimestamp();
                var isFinished = merge.Step(1000);
                if (Stopwatch.GetElapsedTime(step) > longest && !isFinished) longest = Stopwatch.GetElapsedTime(step);
                if (isFinished) break;
            }

            TestContext.Out.WriteLine($"merged (copied) in {clock.ElapsedMilliseconds} ms, longest step of 1000 but the last {longest.TotalMilliseconds:F2} ms");
        }
        finally
        {
            Directory.Delete(path, recursive: true);
        }
    }

    /// <summary>The median of batches shorter than a time slice, so that what else the machine does matters little.</summary>
    private static void Report(string what, long[] blocks, Action<long> ask, List<LayerRun> found)
    {
        const int batch = 500;
        var allocated = GC.GetAllocatedBytesForCurrentThread();
        var times = new List<double>(blocks.Length / batch);
        for (var at = 0; at + batch <= blocks.Length; at += batch)
        {
            var start = Stopwatch.GetTimestamp();
            foreach (var block in blocks.AsSpan(at, batch))
            {
                found.Clear();
                ask(block);
            }

            times.Add(Stopwatch.GetElapsedTime(start).TotalNanoseconds / batch);
        }

        times.Sort();
        TestContext.Out.WriteLine($"{what}: median {times[times.Count / 2]:F0} ns, best tenth {times[times.Count / 10]:F0} ns; {(GC.GetAllocatedBytesForCurrentThread() - allocated) / (double)blocks.Length:F1} bytes allocated each");
    }
}
