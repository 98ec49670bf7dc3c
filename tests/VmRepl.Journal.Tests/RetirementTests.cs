extern alias simulation;
using VmRepl.Journal.Points;
using VmRepl.Journal.Views;
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
    public void Append_ViewOpenAtAnOldPoint_HoldsTheRangeUntilAHardLimitAndIsClosedThen()
    {
        var told = new List<(string Group, string Sentence)>();
        using var group = new TestGroup(Small);
        group.Settings = group.Settings with { Notice = (name, sentence) => told.Add((name, sentence)) };
        group.Reopen();
        group.Baseline(0, TestGroup.DiskBytes, 0xEE);
        var first = group.EndBaseline();
        using var old = group.Store.OpenView(group.Store.FindPoint("latest"));
        using var other = group.Store.OpenView(group.Store.FindPoint("latest"));
        var found = new byte[TestGroup.DiskBytes];
        var rounds = 0;
        for (; !old.IsClosed; rounds++)
        {
            Assert.That(group.Journal.Position.Start, Is.LessThanOrEqualTo(first));
            old.Disks[1].Read(0, found);
            Assert.That(found.AsSpan().SequenceEqual(group.History[first]), Is.True);
            Rounds(group, 1);
        }

        Assert.That(rounds, Is.GreaterThan(5), "the limit came into play");
        Assert.That(group.Journal.SegmentBytes, Is.LessThanOrEqualTo(Small.CapacityBytes));
        Assert.That(group.Journal.Position.Start, Is.GreaterThan(first), "what it held was retired");
        var closed = Assert.Throws<ViewClosedException>(() => old.Disks[1].Read(0, found))!;
        Assert.That(closed.Message, Does.Contain("group g").And.Contain($"point {first}").And.Contain($"{Small.CapacityBytes} bytes"));
        Assert.That(closed.Hint, Is.Not.Empty);
        Assert.That(() => old.Disks[1].Map(0, 4096).ToList(), Throws.TypeOf<ViewClosedException>());
        Assert.That(() => other.Disks[1].Read(4096, found.AsSpan(0, 512)), Throws.TypeOf<ViewClosedException>(), "and again, and for every reader");
        Assert.That(told, Has.One.Matches<(string Group, string Sentence)>(t => t.Group == "g" && t.Sentence.Contains($"point {first}", StringComparison.Ordinal)));
        Assert.That(() => group.Store.OpenView(new RecoveryPoint(first, 0, null, RecoveryPoint.Crash)).Dispose(), Throws.TypeOf<ArgumentOutOfRangeException>(), "a point outside the range is refused");
        Rounds(group, 20);
        group.AssertPoints();
    }

    [Test]
    public void Append_ViewOfAPointThatStays_IsNotClosed()
    {
        using var group = new TestGroup(Small);
        group.Baseline(0, TestGroup.DiskBytes, 0xEE);
        group.EndBaseline();
        Rounds(group, 6);
        var newest = group.Journal.Points[^1];
        using var view = group.Store.OpenView(newest);
        group.Append(group.Make(RecordKind.ResyncBegin));
        FillUp(group);
        Assert.That(view.IsClosed, Is.False, "the last offered point is never retired");
        var found = new byte[TestGroup.DiskBytes];
        view.Disks[1].Read(0, found);
        Assert.That(found.AsSpan().SequenceEqual(group.History[newest.Sequence]), Is.True);
    }

    [Test]
    public void Append_ViewAtAnAgeLimit_HoldsTheRange()
    {
        using var group = new TestGroup(Small with { CapacityBytes = 64 << 20, AgeMax = TimeSpan.FromDays(1) });
        group.EndBaseline();
        using var view = group.Store.OpenView(group.Store.FindPoint("latest"));
        Rounds(group, 20);
        Assert.That(view.IsClosed, Is.False, "age is no hard limit");
        Assert.That(group.Journal.Counters.SegmentsRetired, Is.Zero);
        group.AssertPoints();
    }

    [Test]
    public void Open_JournalOverALoweredCapacity_IsBroughtDownAtOnce()
    {
        using var group = new TestGroup(Small with { CapacityBytes = 32 << 20, AgeMax = TimeSpan.FromDays(36_500) });
        group.Baseline(0, TestGroup.DiskBytes, 0xEE);
        group.EndBaseline();
        Rounds(group, 40);
        Assert.That(group.Journal.SegmentBytes, Is.GreaterThan(8 << 20));
        group.Settings = group.Settings with { Journal = Small with { AgeMax = TimeSpan.FromDays(36_500) } };
        group.Reopen();
        Assert.That(group.Journal.SegmentBytes, Is.LessThanOrEqualTo(Small.CapacityBytes));
        Assert.That(group.Journal.Points, Is.Not.Empty);
        group.AssertPoints();
        group.Reopen();
        group.AssertPoints();
    }

    [Test]
    public void Append_SegmentsOfAnotherSizeThanNow_CountAsTheyAre()
    {
        using var group = new TestGroup(Small with { CapacityBytes = 32 << 20, AgeMax = TimeSpan.FromDays(36_500) });
        group.Baseline(0, TestGroup.DiskBytes, 0xEE);
        group.EndBaseline();
        Rounds(group, 30);
        Assert.That(group.Journal.SegmentBytes, Is.GreaterThan(8 << 20));
        group.Settings = group.Settings with { Journal = new JournalOptions { SegmentBytes = 2 << 20, CapacityBytes = 8 << 20, AgeMax = TimeSpan.FromDays(36_500), FreeBytesMin = 0 } };
        group.Reopen();
        for (var i = 0; i < 20; i++)
        {
            Rounds(group, 1);
            Assert.That(group.Journal.SegmentBytes, Is.LessThanOrEqualTo(8 << 20));
        }

        group.AssertPoints();
        group.Reopen();
        group.AssertPoints();
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
    public void Retirement_OfALongJournal_ReadsNoMoreThanOfAShortOne()
    {
        var (shorter, longer) = (BytesReadForARetirement(4), BytesReadForARetirement(40));
        TestContext.Out.WriteLine($"bytes read for each segment retired: {shorter} of 4 segments, {longer} of 40");
        Assert.That(longer, Is.LessThan(shorter * 1.5));

        static double BytesReadForARetirement(int segments)
        {
            using var group = new TestGroup(new JournalOptions { SegmentBytes = 1 << 20, CapacityBytes = (long)segments << 20, FreeBytesMin = 0, AgeMax = TimeSpan.FromDays(36_500) });
            group.EndBaseline();
            // The same writes over and over; segments of what was handed down come in between, so whole turns of the journal are counted.
            void Go(int retirements)
            {
                for (var until = group.Journal.Counters.SegmentsRetired + retirements; group.Journal.Counters.SegmentsRetired < until;)
                {
                    for (var at = 0; at < TestGroup.DiskBytes; at += 64 << 10) group.Store.Append([group.Write(at, 64 << 10, 7), group.Make(RecordKind.ResyncBegin), group.Make(RecordKind.ResyncEnd)]);
                }
            }

            Go(3 * segments);
            var (before, retired) = (group.Journal.BytesRead, group.Journal.Counters.SegmentsRetired);
            Go(6 * segments);
            return (group.Journal.BytesRead - before) / (double)(group.Journal.Counters.SegmentsRetired - retired);
        }
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

    [Test]
    public void Retirement_PayloadOfTheOldestSegmentDamaged_GoesOnAndNamesWhatIsLost()
    {
        var told = new List<string>();
        using var group = new TestGroup(Small with { AgeMax = TimeSpan.FromDays(36_500) });
        group.Settings = group.Settings with { Notice = (_, sentence) => told.Add(sentence) };
        group.Reopen();
        group.Baseline(0, TestGroup.DiskBytes, 0xEE);
        group.EndBaseline();
        group.Append(group.Metadata("definition", [.. Enumerable.Repeat((byte)7, 5000)]), group.Bookmark("start"));
        group.Append(group.Write(600 << 10, 32 << 10, 0x41), group.Bookmark("damaged"));
        // The write's payload and its undo are the newest in the first segment; the fourth 4 KiB of the write's is hit.
        var segment = group.Directory.Directory("journal");
        var start = group.Journal.HoldSegment(1)!;
        var records = start.Segment.ReadCommits(start.End).SelectMany(c => c.Stored).ToList();
        var place = records.Last(r => r.Header.Kind == RecordKind.Write).Ref.PayloadOffset;
        var value = records.Last(r => r.Header.Kind == RecordKind.Metadata).Ref.PayloadOffset;
        group.Journal.Release(start);
        ((simulation::VmRepl.Simulation.Storage.SimulatedDirectory)segment).FlipBit("segment-0000000001.vrj", place + (3 * 4096) + 17, 2);
        ((simulation::VmRepl.Simulation.Storage.SimulatedDirectory)segment).FlipBit("segment-0000000001.vrj", value + 17, 2);
        while (group.Journal.SegmentBytes < 2 << 20) group.Append(group.Write(0, 100 << 10, 1));
        group.Append(group.Bookmark("between"), group.Write(600 << 10, 32 << 10, 0x42), group.Bookmark("later"));
        for (var i = 0; group.Journal.Counters.SegmentsRetired == 0; i++) group.Append(group.Write(0, 100 << 10, (byte)i), group.Bookmark($"r{i}"));
        Assert.That(group.Journal.Counters.DamagedHandDowns, Is.GreaterThan(0));
        Assert.That(told, Has.Some.Matches($"disk 1, sectors {((600 << 10) + (3 * 4096)) / 512} to {(((600 << 10) + (4 * 4096)) / 512) - 1}, was damaged in segment 1.* [0-9]+ points"));
        Assert.That(told, Has.Some.Contains("the value of key definition"));
        Check(group);
        Assert.That(group.Journal.IsFailed, Is.False);
        group.Reopen();
        Check(group);
        var named = Journal.Scrub.GroupScrub.RunAsync(group.Store, new Journal.Scrub.ScrubOptions(), default).GetAwaiter().GetResult();
        Assert.That(named.Damage.Select(d => (d.FirstSector, d.SectorCount)), Does.Contain((((600L << 10) + (3 * 4096)) / 512, 8L)));
        // With the points that read it, the damage leaves the range.
        group.Append(group.Metadata("definition", [1]));
        Rounds(group, 60);
        group.AssertPoints();
        group.Reopen();
        group.AssertPoints();

        static void Check(TestGroup group)
        {
            var (whole, lost) = (0, 0);
            foreach (var point in group.Journal.Points)
            {
                Assert.That(() => group.Journal.MetadataAt(point.Sequence), Throws.TypeOf<JournalDamagedException>().With.Message.Contains("keys"), "the definition is lost");
                var hold = new Journal.Limits.RangeHold("g", point.Sequence, false);
                using var disk = new Journal.Views.PointInTimeView(group.Journal, 1, group.Store.Live[1], hold);
                for (var at = 0; at < TestGroup.DiskBytes; at += 4096)
                {
                    var found = new byte[4096];
                    try
                    {
                        disk.Read(at, found);
                    }
                    catch (JournalDamagedException e)
                    {
                        Assert.That(at, Is.EqualTo((600 << 10) + (3 * 4096)));
                        Assert.That(e.Message, Does.Contain("sectors"));
                        lost++;
                        continue;
                    }

                    Assert.That(found.AsSpan().SequenceEqual(group.History[point.Sequence].AsSpan(at, 4096)), Is.True, $"{at} at {point}");
                    whole++;
                }
            }

            Assert.That(whole, Is.GreaterThan(0));
            Assert.That(lost, Is.GreaterThan(0));
        }
    }

    private static void FillUp(TestGroup group)
    {
        for (var i = 0; ; i++)
        {
            Assert.That(i, Is.LessThan(100));
            try
            {
                group.Append(group.Write(0, 200 << 10, (byte)i), group.Write(512 << 10, 200 << 10, (byte)i));
            }
            catch (JournalFullException)
            {
                return;
            }
        }
    }

    private static void Rounds(TestGroup group, int count)
    {
        for (var i = 1; i <= count; i++)
            group.Append(group.Make(RecordKind.ResyncBegin), group.Write(i % 5 * (128 << 10), 300 << 10, (byte)i), group.Make(RecordKind.ResyncEnd));
    }
}
