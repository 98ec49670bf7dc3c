using VmRepl.Blocks;
using VmRepl.Replication.Source.Tracking;
using VmRepl.Simulation.Storage;

namespace VmRepl.Replication.Tests.Tracking;

[Parallelizable(ParallelScope.All)]
public class ActivityLogTests
{
    [Test]
    public async Task ActivateAsync_HotRegion_CostsOneFlush()
    {
        using var stage = new LogStage();
        for (var i = 0; i < 10_000; i++) await stage.WriteAsync((8 << 20) + (i % 1000 * 4096), 4096, clean: true);
        Assert.That(stage.Log.ActivationFlushCount, Is.EqualTo(1));
        Assert.That(stage.Log.ActiveBytes, Is.EqualTo(4 << 20));
    }

    [Test]
    public async Task ActivateAsync_InOrder_CostsOneFlushIn16MiB()
    {
        using var stage = new LogStage();
        for (long at = 0; at < stage.DiskLength; at += 64 << 10) await stage.WriteAsync(at, 64 << 10, clean: true);
        Assert.That(stage.Log.ActivationFlushCount, Is.EqualTo(1 + 4), "the first segment, and then four by four");
    }

    /// <summary>While one flush is under way, all that come share the next.</summary>
    [Test]
    public async Task ActivateAsync_ManyWaiters_ShareAFlush()
    {
        var (gate, directory) = (new Lock(), new SimulatedVolume(1, 1 << 20).Directory("agent"));
        directory.Create();
        using var held = new HeldDirectory(directory);
        using var log = ActivityLog.Create(held, "sda.active", 1L << 40, gate, []);
        held.Hold();
        var first = Task.Run(async () => await log.ActivateAsync(Segment(0)));
        held.WaitForFlush();
        var others = Enumerable.Range(1, 50).Select(i => Task.Run(async () => await log.ActivateAsync(Segment(100 * i)))).ToList();
        while (log.WaitingCount < 50) await Task.Yield();
        Assert.That(others.All(o => !o.IsCompleted) && !first.IsCompleted, Is.True, "nobody writes before the flush");
        held.LetGo();
        await Task.WhenAll([first, .. others]);
        Assert.That((log.FlushCount, log.ActiveCount), Is.EqualTo((2L, 51)));

        static Extent Segment(int number) => new((long)number << 22, 4096);
    }

    [TestCase(true)]
    [TestCase(false)]
    public async Task ActivateAsync_FlushFails_GivesTheLogUpAndGoesOn(bool write)
    {
        using var stage = new LogStage();
        await stage.WriteAsync(0, 4096, clean: false);
        if (write) stage.Volume.FailWriteIn = 1;
        else stage.Volume.FailFlushIn = 1;
        stage.Log.TryBegin(new Extent(8 << 20, 4096));
        await stage.Log.ActivateAsync(new Extent(8 << 20, 4096));
        Assert.That(stage.Log.Failure, Is.Not.Null);
        Assert.That(stage.Log.TryBegin(new Extent(20 << 20, 4096)), Is.True, "nothing to wait for any more");
        Assert.That(stage.Directory.FileExists(LogStage.Active), Is.False);
        stage.Restart(CrashKind.ProcessKill);
        Assert.That(stage.Dirty, Is.EqualTo(new[] { new Extent(0, 4096), new Extent(8 << 20, 4096), new Extent(20 << 20, 4096) }), "a kill costs what it did");
        Assert.That(stage.Log.ActiveBytes, Is.EqualTo(stage.DiskLength), "any segment may have been written to");
        stage.Restart(CrashKind.PowerLoss);
        Assert.That((stage.Log.OpenedAfter, stage.Log.DirtyBytes), Is.EqualTo((LogStop.HostCrash, stage.DiskLength)));
    }

    [Test]
    public async Task Open_HostCrashAfterTheLogWasGivenUp_EverythingIsMarked()
    {
        using var stage = new LogStage();
        stage.Volume.FailFlushIn = 1;
        await stage.WriteAsync(8 << 20, 4096, clean: false);
        stage.Restart(CrashKind.PowerLoss);
        Assert.That((stage.Log.OpenedAfter, stage.Log.DirtyBytes), Is.EqualTo((LogStop.Damaged, stage.DiskLength)));
        Assert.That(stage.Log.Wrong, Is.EqualTo("sda.active: it is missing"));
    }

    [Test]
    public async Task DeactivateIdleAsync_RestedSegments_AreTakenOutAndKeepTheirMarks()
    {
        using var stage = new LogStage();
        await stage.WriteAsync(0, 4096, clean: false);
        await stage.WriteAsync(8 << 20, 4096, clean: true);
        await stage.WriteAsync(20 << 20, 4096);
        Assert.That(await Tidy(), Is.Zero, "all of them are new");
        stage.Time.Advance(TimeSpan.FromSeconds(61));
        await stage.WriteAsync(8 << 20, 4096, clean: true);
        Assert.That(await Tidy(), Is.EqualTo(1), "one was touched, one is under way");
        Assert.That(stage.Log.ActiveBytes, Is.EqualTo(8 << 20));
        stage.Restart(CrashKind.PowerLoss);
        Assert.That(stage.Dirty, Does.Contain(new Extent(0, 4096)).And.Contain(new Extent(8 << 20, 4 << 20)).And.Contain(new Extent(20 << 20, 4 << 20)));

        async Task<int> Tidy() => await stage.Log.DeactivateIdleAsync(() => ValueTask.CompletedTask);
    }

    [Test]
    public async Task DeactivateIdleAsync_WriteDuringTheFlush_StaysActive()
    {
        using var stage = new LogStage();
        await stage.WriteAsync(0, 4096, clean: true);
        await stage.Log.DeactivateIdleAsync(() => ValueTask.CompletedTask);
        stage.Time.Advance(TimeSpan.FromMinutes(2));
        var taken = await stage.Log.DeactivateIdleAsync(async () => await stage.WriteAsync(4096, 4096, clean: true));
        Assert.That((taken, stage.Log.ActiveBytes), Is.EqualTo((0, 4L << 20)));
    }

    [Test]
    public async Task DeactivateIdleAsync_DiskCannotBeFlushed_TakesNothingOut()
    {
        using var stage = new LogStage();
        await stage.WriteAsync(0, 4096, clean: true);
        await stage.Log.DeactivateIdleAsync(() => ValueTask.CompletedTask);
        stage.Time.Advance(TimeSpan.FromMinutes(2));
        Assert.That(async () => await stage.Log.DeactivateIdleAsync(() => throw new IOException("disk")), Throws.TypeOf<IOException>());
        Assert.That(stage.Log.ActiveBytes, Is.EqualTo(4 << 20));
    }

    [Test]
    public async Task DeactivateIdleAsync_MarksCannotBeFlushed_TakesNothingOutAndSaysSo()
    {
        using var stage = new LogStage();
        await stage.WriteAsync(0, 4096, clean: false);
        await stage.Log.DeactivateIdleAsync(() => ValueTask.CompletedTask);
        stage.Time.Advance(TimeSpan.FromMinutes(2));
        stage.Volume.FailFlushIn = 1;
        Assert.That(await stage.Log.DeactivateIdleAsync(() => ValueTask.CompletedTask), Is.Zero);
        Assert.That(stage.Log.Failure, Is.Not.Null);
        Assert.That(stage.Log.CloseClean(), Is.False, "nor is there a clean stop after it");
        stage.Restart(CrashKind.PowerLoss);
        Assert.That((stage.Log.OpenedAfter, stage.Dirty[0]), Is.EqualTo((LogStop.HostCrash, new Extent(0, 4 << 20))));
    }
}
