using VmRepl.Blocks;
using VmRepl.Images;
using VmRepl.Protocol.Records;
using VmRepl.Replication.Source;
using VmRepl.Replication.Source.Following;
using VmRepl.Replication.Tests.Tracking;

namespace VmRepl.Replication.Tests.Following;

[Parallelizable(ParallelScope.All)]
public class GroupStreamTests
{
    private static readonly Extent Written = new(4096, 4096);

    /// <summary>The volume of the agent's state is full: the guest goes on, and what it writes stays marked.</summary>
    [Test]
    public async Task Take_NoSequenceCanBeReserved_GivesTheLinkUpAndKeepsTheMark([Values] bool isWrittenLocally)
    {
        using var stage = new LogStage();
        var sequences = new SequenceReserve(stage.Directory);
        var disk = Disk(stage);
        var said = new List<LossOfSync?>();
        var stream = new GroupStream([disk], sequences, TimeProvider.System, 1, new FollowOptions()) { InSyncChanged = said.Add };
        stream.Attach(isBaseline: false, 0, 0);
        Assert.That(stream.TryEnd([]), Is.True);
        stream.Acknowledge(2, 2);
        Assert.That((stream.IsInSync, stream.Phase), Is.EqualTo((true, StreamPhase.Following)));

        // One number is left, and no room to reserve more.
        if (!stage.Log.TryBegin(Written)) await stage.Log.ActivateAsync(Written);
        sequences.AdvanceTo((1 << 20) - 1);
        stage.Volume.CapacityBytes = 0;
        var taken = stream.Take(disk, RecordKind.Zero, Written, default, null, isAwaited: true);
        Assert.That((taken.Last, taken.Durable), Is.EqualTo((0UL, (Task<bool>?)null)));
        stream.EndLocally(disk, Written, taken, isWrittenLocally);

        Assert.That((stream.IsInSync, stream.Phase), Is.EqualTo((false, StreamPhase.Alone)));
        Assert.That(said, Is.EqualTo(new LossOfSync?[] { null, LossOfSync.LinkGivenUp }));
        Assert.That(stage.Dirty, Is.EqualTo(new[] { Written }));
        Assert.That(() => stream.WaitForWorkAsync(default), Throws.InstanceOf<IOException>(), "and whoever sends learns why");
        Assert.That(() => stream.Attach(isBaseline: false, 2, 0), Throws.Nothing, "one number is left");
        Assert.That(disk.ToCopy.Bytes, Is.EqualTo(4096));
    }

    /// <summary>Part of it was sent, and part waits to be brought over: that the one is there does not mean that the other is.</summary>
    [Test]
    public void Take_OverWhatIsToBeCopiedInPart_TellsNoDurability()
    {
        using var stage = new LogStage();
        var disk = Disk(stage);
        var stream = new GroupStream([disk], new SequenceReserve(stage.Directory), TimeProvider.System, 1, new FollowOptions());
        _ = stage.Log.TryBegin(Written);
        stage.Log.End(Written, clean: false);
        stream.Attach(isBaseline: false, 0, 0);
        var over = new Extent(0, 4 * Written.Offset);
        _ = stage.Log.TryBegin(over);
        var taken = stream.Take(disk, RecordKind.Zero, over, default, null, isAwaited: true);
        Assert.That((taken.Last > 0, taken.Durable), Is.EqualTo((true, (Task<bool>?)null)));
    }

    /// <summary>What is not released is told with the next that is, or by the release.</summary>
    [Test]
    public async Task Take_NotReleased_WakesNobodyUntilItIs([Values] bool byAnother)
    {
        using var stage = new LogStage();
        var disk = Disk(stage);
        var stream = new GroupStream([disk], new SequenceReserve(stage.Directory), TimeProvider.System, 1, new FollowOptions());
        stream.Attach(isBaseline: false, 0, 0);
        Assert.That(stream.TryEnd([]), Is.True);
        _ = stream.NextBatch();
        stream.Acknowledge(2, 2);

        var work = stream.WaitForWorkAsync(default);
        Take(isReleased: false);
        Take(isReleased: false);
        Assert.That(work.Wait(20), Is.False);
        if (byAnother) Take(isReleased: true);
        else stream.Release();
        Assert.That(await work.WaitAsync(TimeSpan.FromSeconds(10)), Is.True);
        Assert.That(stream.NextBatch(), Has.Count.EqualTo(byAnother ? 3 : 2));

        void Take(bool isReleased)
        {
            _ = stage.Log.TryBegin(Written);
            _ = stream.Take(disk, RecordKind.Zero, Written, default, null, isAwaited: false, isReleased);
        }
    }

    [Test]
    public void TakeCopy_NoSequenceCanBeReserved_TakesNothing()
    {
        using var stage = new LogStage();
        var sequences = new SequenceReserve(stage.Directory);
        var disk = Disk(stage);
        var stream = new GroupStream([disk], sequences, TimeProvider.System, 1, new FollowOptions());
        stage.Log.MarkAll();
        stream.Attach(isBaseline: false, 0, 0);
        var before = stream.Last;
        sequences.AdvanceTo(1 << 20);
        stage.Volume.CapacityBytes = 0;
        List<RecordDraft> drafts = [new(RecordKind.Punch, 1, 0, 4096, default), new(RecordKind.Punch, 1, 4096, 4096, default)];
        Assert.That(() => stream.TakeCopy(disk, new Extent(0, 1 << 20), drafts), Throws.InstanceOf<IOException>());
        Assert.That(stream.Last, Is.EqualTo(before));
        Assert.That(stream.ToCopyBytes, Is.EqualTo(stage.DiskLength));
    }

    /// <summary>The connection broke behind the end of a baseline, and the new one says only what is durable. Simulation of the system, seed 90 of 2026-11-27: it waited for ever.</summary>
    [Test]
    public void Acknowledge_OnlyDurableAfterABaseline_IsInSync()
    {
        using var stage = new LogStage();
        var disk = Disk(stage);
        var stream = new GroupStream([disk], new SequenceReserve(stage.Directory), TimeProvider.System, 1, new FollowOptions());
        stage.Log.MarkAll();
        stream.Attach(isBaseline: true, 0, 0);
        var whole = new Extent(0, stage.DiskLength);
        _ = stage.Log.TryBegin(whole);
        Assert.That(stream.TakeCopy(disk, whole, [new RecordDraft(RecordKind.Punch, 1, 0, stage.DiskLength, default)]), Is.True);
        Assert.That(stream.TryEnd([]), Is.True);
        stream.Acknowledge(0, stream.Last - 1);
        Assert.That(stream.IsInSync, Is.False, "its end is not there yet");
        stream.Acknowledge(0, stream.Last);
        Assert.That((stream.IsInSync, stream.LagBytes, stage.Log.DirtyBytes), Is.EqualTo((true, 0L, 0L)));
    }

    /// <summary>Its image is not touched by the stream.</summary>
    private static FollowedDisk Disk(LogStage stage) => new(new SourceDisk(1, "sda", "/sda", ImageFormat.Raw, stage.DiskLength, 512), null!, stage.Log, comparesFirst: false);
}
