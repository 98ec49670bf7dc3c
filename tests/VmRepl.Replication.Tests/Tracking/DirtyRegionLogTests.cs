using VmRepl.Blocks;
using VmRepl.Replication.Source.Tracking;
using VmRepl.Simulation.Storage;

namespace VmRepl.Replication.Tests.Tracking;

[Parallelizable(ParallelScope.All)]
public class DirtyRegionLogTests
{
    [Test]
    public async Task End_TwoWritesOfAChunk_ClearsAtTheLast()
    {
        using var stage = new LogStage();
        await stage.WriteAsync(4096, 512);
        await stage.WriteAsync(4608, 512);
        stage.Log.End(new Extent(4096, 512), clean: true);
        Assert.That(stage.Dirty, Is.EqualTo(new[] { new Extent(4096, 1024) }));
        stage.Log.End(new Extent(4608, 512), clean: true);
        Assert.That(stage.Dirty, Is.Empty);
    }

    [Test]
    public async Task End_NotClean_StaysMarkedUntilACleanOne()
    {
        using var stage = new LogStage();
        await stage.WriteAsync(8192, 4096, clean: false);
        Assert.That(stage.Dirty, Is.EqualTo(new[] { new Extent(8192, 4096) }));
        await stage.WriteAsync(8192, 512, clean: true);
        Assert.That(stage.Dirty, Is.Empty);
    }

    [Test]
    public void End_WithoutBegin_Throws()
    {
        using var stage = new LogStage();
        Assert.That(() => stage.Log.End(new Extent(0, 4096), clean: true), Throws.InvalidOperationException);
    }

    [TestCase(0L, 100L)]
    [TestCase(100L, 512L)]
    [TestCase(64L << 20, 512L)]
    [TestCase((64L << 20) - 512, 1024L)]
    public void TryBegin_NoSectorsOfTheDisk_Throws(long offset, long length)
    {
        using var stage = new LogStage();
        Assert.That(() => stage.Log.TryBegin(new Extent(offset, length)), Throws.TypeOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public async Task Clear_AChunkUnderWay_StaysMarked()
    {
        using var stage = new LogStage();
        await stage.WriteAsync(0, 4096, clean: false);
        await stage.WriteAsync(4096, 4096);
        await stage.WriteAsync(8192, 4096, clean: false);
        stage.Log.Clear(new Extent(0, 8192 + 512));
        Assert.That(stage.Dirty, Is.EqualTo(new[] { new Extent(4096, 8192) }), "the last chunk is not whole in what was cleared");
        stage.Log.ClearSettled();
        Assert.That(stage.Dirty, Is.EqualTo(new[] { new Extent(4096, 4096) }));
    }

    /// <summary>Not one byte is lost, and no more than the segments that were touched is marked.</summary>
    [Test]
    public async Task Collapse_ManyBuckets_KeepsSegmentsTouchedAndNoMore([Range(1, 10)] int seed)
    {
        using var stage = new LogStage(256 << 20, exactMax: 2);
        var random = new SeededRandom((ulong)seed);
        var (exact, segments) = (new ExtentSet(), new ExtentSet());
        for (var i = 0; i < 300; i++)
        {
            var length = random.Between(1, 64) * 512;
            var extent = new Extent(random.Between(0, (stage.DiskLength - length) / 512) * 512, length);
            await stage.WriteAsync(extent.Offset, extent.Length, clean: false);
            exact.Add(extent);
            segments.Add(Extent.FromEnds(Sectors.AlignDown(extent.Offset, 64 << 10), Sectors.AlignUp(extent.End, 64 << 10)));
        }

        var dirty = stage.Log.Dirty(new Extent(0, stage.DiskLength));
        foreach (var extent in exact.Extents) Assert.That(dirty.Contains(extent), $"{extent}");
        foreach (var extent in dirty.Extents) Assert.That(segments.Contains(extent), $"{extent}");
        Assert.That(stage.Log.ExactBucketCount, Is.LessThanOrEqualTo(2));
        Assert.That(stage.Log.SegmentDirtyBytes, Is.Positive.And.LessThanOrEqualTo(segments.Bytes));
        Assert.That(stage.Log.DirtyBytes, Is.EqualTo(dirty.Bytes));
        stage.Restart(CrashKind.ProcessKill);
        Assert.That(stage.Dirty, Is.EqualTo(dirty.Extents), "exactly so after a kill");
    }

    /// <summary>One chunk of a collapsed segment is at the replica, another is not: the end of the first must not clear both.</summary>
    [Test]
    public async Task Collapse_SegmentWithWhatNobodySends_IsNotClearedByAnothersEnd()
    {
        using var stage = new LogStage(exactMax: 1);
        await stage.WriteAsync(0, 4096, clean: false);
        await stage.WriteAsync(8192, 4096);
        await stage.WriteAsync(32 << 20, 4096, clean: false);
        Assert.That(stage.Dirty[0], Is.EqualTo(new Extent(0, 64 << 10)), "collapsed");
        stage.Log.End(new Extent(8192, 4096), clean: true);
        Assert.That(stage.Dirty[0], Is.EqualTo(new Extent(0, 64 << 10)));
        stage.Log.Clear(new Extent(0, 64 << 10));
        Assert.That(stage.Dirty, Is.EqualTo(new[] { new Extent(32 << 20, 4096) }));
    }

    [Test]
    public async Task Collapse_OnlyWritesUnderWay_GoesWithTheirLastEnd()
    {
        using var stage = new LogStage(exactMax: 1);
        await stage.WriteAsync(0, 4096);
        await stage.WriteAsync(8192, 4096);
        await stage.WriteAsync(32 << 20, 4096, clean: false);
        stage.Log.End(new Extent(8192, 4096), clean: true);
        Assert.That(stage.Dirty[0], Is.EqualTo(new Extent(0, 64 << 10)));
        stage.Log.End(new Extent(0, 4096), clean: true);
        Assert.That(stage.Dirty, Is.EqualTo(new[] { new Extent(32 << 20, 4096) }));
        await stage.WriteAsync(512, 512, clean: false);
        Assert.That(stage.Dirty[0], Is.EqualTo(new Extent(512, 512)), "exact again");
    }

    [Test]
    public async Task TryBegin_VolumeFull_MarksBySegment()
    {
        using var stage = new LogStage();
        await stage.WriteAsync(0, 512, clean: false);
        stage.Volume.CapacityBytes = stage.Volume.UsedBytes;
        await stage.WriteAsync((16 << 20) + 512, 512, clean: false);
        Assert.That(stage.Dirty, Is.EqualTo(new[] { new Extent(0, 512), new Extent(16 << 20, 64 << 10) }));
    }

    [TestCase(CrashKind.ProcessKill)]
    [TestCase(CrashKind.PowerLoss)]
    public async Task Open_AfterACrash_SaysWhich(CrashKind kind)
    {
        using var stage = new LogStage();
        await stage.WriteAsync(5 << 20, 4096, clean: false);
        stage.Log.DurableAtReplica = 77;
        stage.Time.Advance(TimeSpan.FromSeconds(3));
        stage.Log.NoteLocalEnd();
        stage.Restart(kind);
        Assert.That(stage.Log.OpenedAfter, Is.EqualTo(kind == CrashKind.ProcessKill ? LogStop.ProcessDeath : LogStop.HostCrash));
        var marked = stage.Dirty;
        Assert.That(marked, Is.EqualTo(new[] { kind == CrashKind.ProcessKill ? new Extent(5 << 20, 4096) : new Extent(4 << 20, 4 << 20) }));
        if (kind == CrashKind.PowerLoss) return;
        Assert.That(stage.Log.DurableAtReplica, Is.EqualTo(77));
        Assert.That(stage.Log.LastEnded - stage.Log.LastBegun, Is.EqualTo(TimeSpan.FromSeconds(3)));
    }

    [Test]
    public async Task Open_AfterACleanStop_IsExactWhateverBecameOfTheHost()
    {
        using var stage = new LogStage();
        await stage.WriteAsync(5 << 20, 4096, clean: false);
        await stage.WriteAsync(9 << 20, 4096);
        stage.Log.DurableAtReplica = 78;
        Assert.That(stage.Log.CloseClean(), Is.True);
        stage.Restart(CrashKind.PowerLoss);
        Assert.That(stage.Log.OpenedAfter, Is.EqualTo(LogStop.Clean));
        Assert.That(stage.Dirty, Is.EqualTo(new[] { new Extent(5 << 20, 4096), new Extent(9 << 20, 4096) }));
        Assert.That(stage.Log.DurableAtReplica, Is.EqualTo(78));
        stage.Restart(CrashKind.PowerLoss);
        Assert.That(stage.Log.OpenedAfter, Is.EqualTo(LogStop.HostCrash), "it ran since");
    }

    [Test]
    public async Task MarkAll_AfterExactMarks_HoldsTheWholeDisk()
    {
        using var stage = new LogStage((16 << 20) + 4096 + 512);
        await stage.WriteAsync(0, 4096);
        stage.Log.MarkAll();
        Assert.That(stage.Log.DirtyBytes, Is.EqualTo(stage.DiskLength));
        stage.Restart(CrashKind.ProcessKill);
        Assert.That(stage.Dirty, Is.EqualTo(new[] { new Extent(0, stage.DiskLength) }));
        stage.Log.Clear(new Extent(64 << 10, stage.DiskLength - (64 << 10)));
        Assert.That(stage.Dirty, Is.EqualTo(new[] { new Extent(0, 64 << 10) }));
    }

    [Test]
    public async Task MarkAll_ThenTheHostCrashes_StillHoldsTheWholeDisk()
    {
        using var stage = new LogStage();
        await stage.WriteAsync(5 << 20, 4096, clean: false);
        stage.Log.MarkAll();
        stage.Restart(CrashKind.PowerLoss);
        Assert.That(stage.Log.OpenedAfter, Is.EqualTo(LogStop.HostCrash));
        Assert.That(stage.Dirty, Is.EqualTo(new[] { new Extent(0, stage.DiskLength) }));
    }
}
