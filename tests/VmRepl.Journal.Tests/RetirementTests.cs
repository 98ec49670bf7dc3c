using VmRepl.Journal.Points;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Tests;

public class RetirementTests
{
    private static readonly JournalOptions Small = new() { SegmentBytes = 1 << 20, CapacityBytes = 4 << 20, FreeBytesMin = 0 };

    [Test]
    public void Append_PastTheCapacity_RetiresAndKeepsEveryPointOfTheRange()
    {
        using var group = new TestGroup(Small);
        group.Baseline(0, TestGroup.DiskBytes, 0xEE);
        var first = group.EndBaseline();
        for (var i = 1; i <= 40; i++)
            group.Append(group.Make(RecordKind.ResyncBegin), group.Write(i % 7 * (64 << 10), (100 << 10) + (512 * i), (byte)i), group.Make(RecordKind.ResyncEnd));
        Assert.That(group.Journal.Counters.SegmentsRetired, Is.GreaterThan(0));
        Assert.That(group.Journal.Counters.HandDowns, Is.GreaterThan(0));
        Assert.That(group.Journal.SegmentBytes, Is.LessThanOrEqualTo(Small.CapacityBytes));
        Assert.That(group.Journal.Points[0].Sequence, Is.GreaterThan(first));
        group.AssertPoints();
        group.Reopen();
        group.AssertPoints();
    }

    [Test]
    public void Append_NothingMayBeRetired_IsRefusedWholeAndGoesOnAfterwards()
    {
        using var group = new TestGroup(Small);
        group.EndBaseline();
        var newest = group.Append(group.Make(RecordKind.ResyncBegin));
        // A round that is open: its records are all after the newest point, which must stay.
        Record[]? refused = null;
        for (var i = 0; refused is null; i++)
        {
            Assert.That(i, Is.LessThan(100));
            Record[] batch = [group.Write(0, 200 << 10, (byte)i), group.Write(512 << 10, 200 << 10, (byte)i)];
            try
            {
                newest = group.Append(batch);
            }
            catch (JournalFullException)
            {
                refused = batch;
            }
        }

        Assert.That(group.Journal.Position.Durable, Is.EqualTo(newest));
        Assert.That(group.Journal.Position.Start, Is.LessThanOrEqualTo(group.Journal.Points[^1].Sequence));
        Assert.That(group.Journal.SegmentBytes, Is.LessThanOrEqualTo(Small.CapacityBytes));
        group.AssertPoints();
        group.Settings = group.Settings with { Journal = Small with { CapacityBytes = 16 << 20 } };
        group.Reopen();
        group.Append(refused);
        group.AssertPoints();
    }

    [Test]
    public void Append_ViewOpenAtAnOldPoint_HoldsTheRangeAndDoesNotMove()
    {
        using var group = new TestGroup(Small);
        group.Baseline(0, TestGroup.DiskBytes, 0xEE);
        var first = group.EndBaseline();
        using (var view = group.Store.OpenView(group.Store.FindPoint("latest")))
        {
            Assert.That(() => Rounds(group, 60), Throws.TypeOf<JournalFullException>());
            Assert.That(group.Journal.Position.Start, Is.LessThanOrEqualTo(first));
            var found = new byte[TestGroup.DiskBytes];
            view.Disks[1].Read(0, found);
            Assert.That(found.AsSpan().SequenceEqual(group.History[first]), Is.True);
        }

        Rounds(group, 20);
        Assert.That(group.Journal.Position.Start, Is.GreaterThan(first));
        Assert.That(
            () => group.Store.OpenView(new RecoveryPoint(first, 0, null, RecoveryPoint.Crash)).Dispose(),
            Throws.TypeOf<ArgumentOutOfRangeException>(),
            "a point outside the range is refused");
    }

    [Test]
    public void Append_OldSegments_AreRetiredByAge()
    {
        using var group = new TestGroup(Small with { CapacityBytes = 64 << 20, AgeMax = TimeSpan.FromDays(1) });
        group.EndBaseline();
        // The records' clock began in 1970, so all of them are older than a day; the newest point is kept all the same.
        Rounds(group, 20);
        Assert.That(group.Journal.Counters.SegmentsRetired, Is.GreaterThan(0));
        Assert.That(group.Journal.Points, Is.Not.Empty);
        group.AssertPoints();
    }

    [Test]
    public void Append_PunchOfAHugeHole_NeedsNoRoomForUndo()
    {
        using var group = new TestGroup(Small with { CapacityBytes = 2 << 20 });
        group.EndBaseline();
        group.Append(group.Make(RecordKind.Punch, 0, TestGroup.DiskBytes), group.Bookmark("punched"));
        Assert.That(group.Journal.Counters.UndoBytes, Is.Zero);
    }

    [Test]
    public void Append_PunchOfAWrittenDisk_IsUndoneInPiecesThatFitASegment()
    {
        using var group = new TestGroup(Small);
        group.Baseline(0, TestGroup.DiskBytes, 0xEE);
        group.EndBaseline();
        group.Append(group.Make(RecordKind.Punch, 0, TestGroup.DiskBytes), group.Bookmark("punched"));
        group.AssertPoints();
        Assert.That(group.Store.Live[1].Map(0, TestGroup.DiskBytes).Any(r => r.HasData), Is.False);
    }

    [Test]
    public void Append_SecondWriteOfASector_ReadsNoOldContents()
    {
        using var group = new TestGroup();
        group.Baseline(0, TestGroup.DiskBytes, 0xEE);
        group.EndBaseline();
        group.Append(group.Write(0, 8192, 1), group.Write(4096, 8192, 2));
        Assert.That(group.Journal.Counters.UndoBytes, Is.EqualTo(12_288));
        group.Append(group.Write(0, 12_288, 3));
        Assert.That(group.Journal.Counters.UndoBytes, Is.EqualTo(12_288));
    }

    private static void Rounds(TestGroup group, int count)
    {
        for (var i = 1; i <= count; i++)
            group.Append(group.Make(RecordKind.ResyncBegin), group.Write(i % 5 * (128 << 10), 300 << 10, (byte)i), group.Make(RecordKind.ResyncEnd));
    }
}
