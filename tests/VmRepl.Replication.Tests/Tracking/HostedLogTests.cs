using VmRepl.Blocks;
using VmRepl.Replication.Source.Tracking;
using VmRepl.Replication.Tests.Stage;
using VmRepl.Simulation.Storage;

namespace VmRepl.Replication.Tests.Tracking;

/// <summary>On the host's own files, and from many threads.</summary>
public class HostedLogTests
{
    private static readonly Guid Boot = new("11111111-0000-0000-0000-000000000000");

    [Test]
    public async Task Open_WithoutACleanStop_HasTheExactMarks()
    {
        using var directory = new TestDirectory();
        var host = directory.Host("agent");
        host.Create();
        var random = new SeededRandom(5);
        var expected = new ExtentSet();
        using (var log = Open(host, 1L << 40))
        {
            log.ClearSettled();
            for (var i = 0; i < 2000; i++)
            {
                var extent = new Extent(random.Between(0, (1L << 31) - 100) * 512, random.Between(1, 100) * 512);
                if (!log.TryBegin(extent)) await log.ActivateAsync(extent);
                log.End(extent, clean: false);
                expected.Add(extent);
            }
        }

        using var again = Open(host, 1L << 40);
        Assert.That(again.OpenedAfter, Is.EqualTo(LogStop.ProcessDeath));
        Assert.That(again.Dirty(new Extent(0, 1L << 40)).Extents, Is.EqualTo(expected.Extents));
        Assert.That(host.AllocatedBytes("sda.marks"), Is.LessThan((3 << 20) + (2100 * 4096)), "2 MiB of segments, and a page for each bucket that was written to");
    }

    [Test]
    public async Task Marks_FromManyThreads_AreWhatIsLeft()
    {
        using var directory = new TestDirectory();
        var host = directory.Host("agent");
        host.Create();
        const long length = 256 << 20;
        using var log = Open(host, length, exactMax: 4);
        log.ClearSettled();
        var kept = new ExtentSet[4];
        await Task.WhenAll(Enumerable.Range(0, 4).Select(thread => Task.Run(async () =>
        {
            var random = new SeededRandom((ulong)thread);
            var mine = kept[thread] = new ExtentSet();
            var underWay = new Queue<Extent>();
            for (var i = 0; i < 20_000; i++)
            {
                var extent = new Extent(random.Between(0, (length / 512) - 64) * 512, random.Between(1, 64) * 512);
                if (!log.TryBegin(extent)) await log.ActivateAsync(extent);
                underWay.Enqueue(extent);
                if (underWay.Count > 8) log.End(underWay.Dequeue(), clean: true);
            }

            foreach (var extent in underWay) mine.Add(extent);
        })));
        var dirty = log.Dirty(new Extent(0, length));
        foreach (var extent in kept.SelectMany(k => k.Extents)) Assert.That(dirty.Contains(extent), "what is under way is marked");
        log.ClearSettled();
        var segments = new ExtentSet(kept.SelectMany(k => k.Extents).Select(e => Extent.FromEnds(Sectors.AlignDown(e.Offset, 64 << 10), Sectors.AlignUp(e.End, 64 << 10))));
        Assert.That(log.DirtyBytes, Is.Positive.And.LessThanOrEqualTo(segments.Bytes), "and nothing but the segments of it");
    }

    [Test]
    public void TryBeginAndEnd_OfABlock_AllocateNothing()
    {
        using var directory = new TestDirectory();
        var host = directory.Host("agent");
        host.Create();
        using var log = Open(host, 1 << 30);
        log.ClearSettled();
        var extent = new Extent(8192, 4096);
        _ = log.TryBegin(extent);
        log.End(extent, clean: true);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++)
        {
            _ = log.TryBegin(extent);
            log.End(extent, clean: true);
        }

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
    }

    private static DirtyRegionLog Open(Blocks.Files.HostDirectory host, long length, int exactMax = 16384) =>
        DirtyRegionLog.Open(host, "sda", length, new DirtyLogOptions { BootId = Boot, Time = TimeProvider.System, ExactBucketsMax = exactMax });
}
