using VmRepl.Blocks;
using VmRepl.Simulation.Storage;

namespace VmRepl.Replication.Tests.Tracking;

public class AnchorLogTests
{
    private const long Segment = 64 << 10;

    [Test]
    public async Task WrittenSince_AnAnchor_HoldsLaterIntervalsAndNoEarlierOne()
    {
        using var stage = new LogStage();
        await stage.WriteAsync(0, 512, clean: true);
        stage.Log.Anchors.Begin();
        await stage.WriteAsync(5 * Segment - 512, 1024, clean: true);
        stage.Log.Anchors.Make(10);
        stage.Log.Anchors.Begin();
        await stage.WriteAsync(stage.DiskLength - 512, 512, clean: true);
        Assert.That(stage.Log.Anchors.Sequences, Is.EqualTo(new ulong[] { 10 }), "the newer one is not made yet");
        Assert.That(stage.Log.Anchors.WrittenSince(10)!.Extents, Is.EqualTo(new[] { new Extent(4 * Segment, 2 * Segment), new Extent(stage.DiskLength - Segment, Segment) }));
        stage.Log.Anchors.Make(20);
        Assert.That(stage.Log.Anchors.WrittenSince(20)!.Extents, Is.EqualTo(new[] { new Extent(stage.DiskLength - Segment, Segment) }));
        Assert.That(stage.Log.Anchors.WrittenSince(15), Is.Null);
    }

    [Test]
    public async Task Begin_MoreOftenThanThereAreIntervals_DropsTheOldest()
    {
        using var stage = new LogStage();
        for (ulong i = 1; i <= 6; i++)
        {
            stage.Log.Anchors.Begin();
            stage.Log.Anchors.Make(i * 10);
            await stage.WriteAsync((long)i * Segment, 512, clean: true);
        }

        Assert.That(stage.Log.Anchors.Sequences, Is.EqualTo(new ulong[] { 60, 50, 40, 30 }));
        Assert.That(stage.Log.Anchors.WrittenSince(30)!.Extents, Is.EqualTo(new[] { new Extent(3 * Segment, 4 * Segment) }));
    }

    [Test]
    public async Task ForgetAfter_KeepsWhatWasNoted()
    {
        using var stage = new LogStage();
        stage.Log.Anchors.Begin();
        stage.Log.Anchors.Make(10);
        stage.Log.Anchors.Begin();
        stage.Log.Anchors.Make(20);
        await stage.WriteAsync(0, 512, clean: true);
        stage.Log.Anchors.ForgetAfter(15);
        Assert.That(stage.Log.Anchors.Sequences, Is.EqualTo(new ulong[] { 10 }));
        Assert.That(stage.Log.Anchors.WrittenSince(10)!.Extents, Is.EqualTo(new[] { new Extent(0, Segment) }));
    }

    [TestCase(CrashKind.ProcessKill, true)]
    [TestCase(CrashKind.PowerLoss, false)]
    public async Task Open_AfterACrash_HasAnchorsOnlyWhereTheHostStayed(CrashKind kind, bool isThere)
    {
        using var stage = new LogStage();
        await AnchorAsync(stage);
        stage.Restart(kind);
        Assert.That(stage.Log.Anchors.WrittenSince(10)?.Extents, isThere ? Is.EqualTo(new[] { new Extent(Segment, Segment) }) : Is.Null);
    }

    [Test]
    public async Task Open_AfterACleanStop_HasAnchorsWhateverBecameOfTheHost()
    {
        using var stage = new LogStage();
        await AnchorAsync(stage);
        Assert.That(stage.Log.CloseClean(), Is.True);
        stage.Restart(CrashKind.PowerLoss);
        Assert.That(stage.Log.Anchors.WrittenSince(10)?.Extents, Is.EqualTo(new[] { new Extent(Segment, Segment) }));
    }

    [Test]
    public async Task Open_AfterAWriteThatAnchorsMissed_HasNone()
    {
        using var stage = new LogStage();
        await AnchorAsync(stage);
        stage.Restart(CrashKind.ProcessKill, directory =>
        {
            // The begin of the newest write, in the marks: as an agent leaves it that does not know of anchors.
            using var marks = directory.Open(LogStage.Marks, Blocks.Files.HostFileAccess.ReadWrite);
            marks.Write(56, [1]);
        });
        Assert.That(stage.Log.Anchors.Sequences, Is.Empty);
    }

    [TestCase(0, TestName = "Open_Damaged_HasNone(magic)")]
    [TestCase(8, TestName = "Open_Damaged_HasNone(version)")]
    [TestCase(16, TestName = "Open_Damaged_HasNone(length)")]
    public async Task Open_Damaged_HasNone(int at)
    {
        using var stage = new LogStage();
        await AnchorAsync(stage);
        stage.Restart(CrashKind.ProcessKill, directory =>
        {
            using var file = directory.Open("sda.anchors", Blocks.Files.HostFileAccess.ReadWrite);
            file.Write(at, [0xEE]);
        });
        Assert.That(stage.Log.Anchors.Sequences, Is.Empty);
    }

    [Test]
    public async Task MarkAll_EndsAllAnchors()
    {
        using var stage = new LogStage();
        await AnchorAsync(stage);
        stage.Log.MarkAll();
        Assert.That(stage.Log.Anchors.Sequences, Is.Empty);
    }

    [Test]
    public void MarkAgain_ThenTheHostCrashes_StillHoldsIt()
    {
        using var stage = new LogStage();
        stage.Log.MarkAgain(new ExtentSet([new Extent(Segment, 2 * Segment)]));
        stage.Restart(CrashKind.PowerLoss);
        Assert.That(stage.Dirty, Is.EqualTo(new[] { new Extent(Segment, 2 * Segment) }));
    }

    private static async Task AnchorAsync(LogStage stage)
    {
        stage.Time.Advance(TimeSpan.FromSeconds(1));
        stage.Log.Anchors.Begin();
        stage.Log.Anchors.Make(10);
        await stage.WriteAsync(Segment, 512, clean: true);
    }
}
