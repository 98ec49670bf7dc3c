extern alias simulation;
using System.Globalization;
using simulation::VmRepl.Simulation.Storage;
using VmRepl.Journal.Points;
using VmRepl.Journal.Store;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Tests.Points;

/// <summary>Points of a source that follows every write: each sequence outside a resync is one.</summary>
public class PointRunTests
{
    private static readonly JournalOptions Small = new() { SegmentBytes = 1 << 20, CapacityBytes = 8 << 20, FreeBytesMin = 0, CheckpointBytes = 1 << 20, AgeMax = TimeSpan.FromDays(100_000) };

    [Test]
    public void Find_AnySequenceOrTimeOfARandomHistory_IsThePointThatTheOracleKnows([Values(1, 2, 3, 4)] int seed)
    {
        using var group = new TestGroup(Small);
        group.Volume.FlushRoot();
        var random = new Random(seed);
        var kinds = new SortedDictionary<ulong, RecordKind>();
        Note(group.Make(RecordKind.ResyncBegin), group.Make(RecordKind.ResyncEnd));
        var isOpen = false;
        for (var step = 0; step < 250; step++)
        {
            Record next;
            if (random.Next(isOpen ? 4 : 12) == 0) next = group.Make((isOpen = !isOpen) ? RecordKind.ResyncBegin : RecordKind.ResyncEnd);
            else if (!isOpen && random.Next(15) == 0) next = group.Bookmark($"b{step}");
            else if (random.Next(15) == 0) next = group.Make(RecordKind.Clone);
            else if (random.Next(15) == 0) next = group.Metadata("key", [(byte)step]);
            else next = group.Write(random.Next(0, 200) * 4096, random.Next(1, 200) * 1024, (byte)random.Next(1, 256));
            Note(next);
            if (random.Next(20) == 0) group.Journal.Checkpoint();
            if (random.Next(20) == 0) Restart();
            if (step % 5 == 0) Check();
        }

        Restart();
        Check();
        Assert.That(group.Journal.Position.Start, Is.GreaterThan(2ul), "something was retired");

        void Note(params Record[] records)
        {
            group.Append(records);
            foreach (var record in records) kinds[record.Header.Sequence] = record.Header.Kind;
        }

        void Restart()
        {
            if (random.Next(2) == 0) group.Reopen();
            else group.Crash(random.Next(2) == 0 ? CrashKind.ProcessKill : CrashKind.PowerLoss);
        }

        void Check()
        {
            var points = PointsOf(kinds).Where(s => s >= group.Journal.Position.Start).ToHashSet();
            var newest = group.Journal.Position.Durable;
            Assert.That(group.Store.FindPoint("latest").Sequence, Is.EqualTo(points.Max()));
            for (var i = 0; i < 6; i++)
            {
                var sequence = (ulong)random.NextInt64(0, (long)newest + 3);
                if (!points.Contains(sequence))
                {
                    Assert.That(() => group.Store.FindPoint(Text(sequence)), Throws.TypeOf<StoreException>().With.Message.Contains(Text(sequence)), $"sequence {sequence}");
                    continue;
                }

                var found = group.Store.FindPoint(Text(sequence));
                Assert.That((found.Sequence, found.TimeUs), Is.EqualTo((sequence, (long)sequence * 1_000_000)));
                Assert.That(TestGroup.Read(group.Store, found).AsSpan().SequenceEqual(group.History[sequence]), Is.True, $"contents at {sequence}");
            }

            for (var i = 0; i < 6; i++)
            {
                var timeUs = random.NextInt64(0, ((long)newest + 2) * 1_000_000);
                var at = DateTimeOffset.UnixEpoch.AddTicks(timeUs * 10).ToString("O", CultureInfo.InvariantCulture);
                var expected = points.Where(s => (long)s * 1_000_000 <= timeUs).DefaultIfEmpty().Max();
                if (expected == 0) Assert.That(() => group.Store.FindPoint(at), Throws.TypeOf<StoreException>().With.Message.Contains("at or before"), at);
                else Assert.That(group.Store.FindPoint(at).Sequence, Is.EqualTo(expected), at);
            }
        }
    }

    [Test]
    public void Find_SequenceInAResync_NamesTheResyncAndTheNewestPointBeforeIt()
    {
        using var group = new TestGroup();
        group.EndBaseline();
        group.Append(group.Write(0, 4096, 1), group.Write(0, 4096, 2), group.Make(RecordKind.ResyncBegin), group.Write(0, 4096, 3));
        Assert.That(() => group.Store.FindPoint("6"), Throws.TypeOf<StoreException>().With.Message.Contains("sequence 6").And.Message.Contains("the resync that began at 5 and has not ended").And.Message.Contains("before it is 4"));
        group.Append(group.Make(RecordKind.ResyncEnd));
        Assert.That(() => group.Store.FindPoint("5"), Throws.TypeOf<StoreException>().With.Message.Contains("sequence 5").And.Message.Contains("the resync from 5 to 7").And.Message.Contains("before it is 4"));
        Assert.That(() => group.Store.FindPoint("8"), Throws.TypeOf<StoreException>().With.Message.Contains("the newest is 7"));
        Assert.That(group.Journal.Runs, Is.EqualTo(new[] { new PointRun(2, 2_000_000, 4, 4_000_000) }));
    }

    [Test]
    public void Runs_ReopenedCleanly_ComeFromTheIndexFilesAlone()
    {
        using var group = new TestGroup();
        group.EndBaseline();
        for (byte i = 1; i < 40; i++) group.Append(i % 10 == 0 ? [group.Make(RecordKind.ResyncBegin), group.Write(0, 4096, i), group.Make(RecordKind.ResyncEnd)] : [group.Write(i * 4096, 4096, i)]);
        group.Append(group.Bookmark("last"));
        var (runs, points, newest) = (group.Journal.Runs, group.Journal.Points, group.Journal.NewestPoint);
        group.Reopen();
        Assert.That(group.Journal.Counters.CommitsReadAtOpening, Is.Zero);
        Assert.That(runs, Has.Count.EqualTo(4));
        Assert.That(group.Journal.Runs, Is.EqualTo(runs));
        Assert.That(group.Journal.Points, Is.EqualTo(points));
        Assert.That(group.Journal.NewestPoint, Is.EqualTo(newest));
    }

    [Test]
    public void Runs_RoundsThatHoldAllThatIsSent_MakeNone()
    {
        using var group = new TestGroup();
        var point = group.EndBaseline();
        for (byte i = 1; i < 5; i++)
        {
            point = group.Append(group.Make(RecordKind.ResyncBegin), group.Write(0, 4096, i), group.Make(RecordKind.ResyncEnd));
            group.Append(group.Bookmark($"b{i}", point));
        }

        Assert.That(group.Journal.Runs, Is.Empty);
        Assert.That(group.Store.FindPoint("latest").Sequence, Is.EqualTo(point));
    }

    [Test]
    public void Bookmark_OfAnEarlierSequenceInARun_IsRefused()
    {
        using var group = new TestGroup();
        group.EndBaseline();
        group.Append(group.Write(0, 4096, 1), group.Write(0, 4096, 2));
        Assert.That(() => group.Append(group.Bookmark("past", 3)), Throws.ArgumentException.With.Message.Contains("a bookmark names its own sequence"));
    }

    [Test]
    public void Observe_AMillionWrites_AllocatesNothing()
    {
        var points = new PointList();
        points.Observe(new RecordHeader { Kind = RecordKind.ResyncEnd, Sequence = 1 });
        var write = new RecordHeader { Kind = RecordKind.Write, Sequence = 2 };
        points.Observe(write);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (ulong sequence = 3; sequence < 1_000_000; sequence++) points.Follow(new RecordMoment(sequence, 1));
        points.Observe(write);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
        Assert.That(points.NewestSequence, Is.EqualTo(999_999ul));
    }

    private static string Text(ulong sequence) => sequence.ToString(CultureInfo.InvariantCulture);

    /// <summary>Every sequence that is a point, by going through the records one by one.</summary>
    private static List<ulong> PointsOf(SortedDictionary<ulong, RecordKind> kinds)
    {
        var points = new List<ulong>();
        var isOpen = true;
        foreach (var (sequence, kind) in kinds)
        {
            if (kind is RecordKind.ResyncBegin or RecordKind.ResyncEnd)
            {
                isOpen = kind == RecordKind.ResyncBegin;
                if (!isOpen) points.Add(sequence);
                continue;
            }

            if (!isOpen) points.Add(sequence);
        }

        return points;
    }
}
