extern alias simulation;
using simulation::VmRepl.Simulation.Storage;
using VmRepl.Blocks;
using VmRepl.Journal.Points;
using VmRepl.Journal.Rewind;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Tests.Rewind;

public class GroupRewindTests
{
    private static readonly JournalOptions Small = new() { SegmentBytes = 1 << 20, FreeBytesMin = 0 };

    [Test]
    public void Rewind_ToEveryPointAndForwardAgain_LiveImageAndAllPointsAreRight()
    {
        using var group = Filled(Small);
        var points = group.Journal.Points;
        foreach (var target in points.Concat(points.Reverse()))
        {
            var before = group.Journal.Points;
            var made = Rewind(group, target);
            Assert.That(group.Journal.Points, Is.EqualTo(before.Append(made)));
            Assert.That(Live(group).SequenceEqual(group.History[target.Sequence]), Is.True, $"live image after the rewind to {target.Sequence}");
            Assert.That(group.Store.Live[1].Map(0, TestGroup.DiskBytes).Where(r => !r.HasData).Sum(r => r.Length), Is.EqualTo(HoleBytes(group, target)), "holes come back as holes");
        }

        group.AssertPoints();
        group.Reopen();
        group.AssertPoints();
        Assert.That(Live(group).SequenceEqual(group.History[points[0].Sequence]), Is.True);
    }

    [Test]
    public void Rewind_TouchedSectors_NeedNoUndo()
    {
        using var group = Filled(Small);
        var undo = group.Journal.Counters.UndoBytes;
        Rewind(group, group.Journal.Points[0]);
        Assert.That(group.Journal.Counters.UndoBytes, Is.EqualTo(undo));
    }

    [Test]
    public void Rewind_CrashAtEveryChange_EarlierPointsAreWholeAndARepetitionFinishes([Values] CrashKind kind)
    {
        for (var at = 1; ; at++)
        {
            using var group = Filled(Small, rounds: 4);
            group.Volume.FlushRoot();
            group.Journal.Checkpoint();
            var points = group.Journal.Points;
            var target = points[1];
            group.Volume.CrashKind = kind;
            group.Volume.CrashAt = group.Volume.IoCount + at;
            RecoveryPoint? made = null;
            try
            {
                made = Rewind(group, target);
            }
            catch (SimulatedCrashException)
            {
                Assert.That(at, Is.LessThan(1000));
            }

            group.Volume.CrashAt = long.MaxValue;
            if (made is not null)
            {
                Assert.That(at, Is.GreaterThan(20), "the rewind was cut off often");
                break;
            }

            group.Crash(kind);
            group.GoOnBehind();
            // The new point is there only if its record was whole.
            var offered = group.Journal.Points;
            Assert.That(offered.Take(points.Count), Is.EqualTo(points), $"crash at {at}");
            Assert.That(offered, Has.Count.LessThanOrEqualTo(points.Count + 1));
            foreach (var extra in offered.Skip(points.Count)) group.History[extra.Sequence] = group.History[target.Sequence];
            group.AssertPoints();
            Rewind(group, target);
            Assert.That(Live(group).SequenceEqual(group.History[target.Sequence]), Is.True, $"crash at {at}, then repeated");
            group.AssertPoints();
        }
    }

    [Test]
    public void Rewind_GivenUpThenToTheNewest_BringsItBack()
    {
        using var group = Filled(new JournalOptions { SegmentBytes = 1 << 20, FreeBytesMin = 0 });
        var newest = group.Journal.Points[^1];
        using (var rewind = GroupRewind.Begin(group.Store, group.Journal.Points[0]))
            Assert.That(rewind.Step(), Is.True);
        Assert.That(group.Journal.ResyncIsOpen, Is.True);
        Assert.That(group.Store.FindPoint("latest"), Is.EqualTo(newest));
        Assert.That(Live(group).SequenceEqual(group.History[newest.Sequence]), Is.False, "it was begun");
        group.GoOnBehind();
        Rewind(group, newest);
        Assert.That(group.Journal.ResyncIsOpen, Is.False);
        Assert.That(Live(group).SequenceEqual(group.History[newest.Sequence]), Is.True);
    }

    [Test]
    public void Rewind_NoRoom_IsRefusedAndPointsStay()
    {
        using var group = new TestGroup(Small with { CapacityBytes = 3 << 20 });
        group.Baseline(0, TestGroup.DiskBytes, 0xEE);
        group.EndBaseline();
        group.Append(group.Make(RecordKind.ResyncBegin), group.Write(0, 450 << 10, 1), group.Make(RecordKind.ResyncEnd));
        group.Append(group.Make(RecordKind.ResyncBegin), group.Write(450 << 10, 400 << 10, 2), group.Make(RecordKind.ResyncEnd));
        var points = group.Journal.Points;
        var durable = group.Journal.Position.Durable;
        Assert.That(() => Rewind(group, points[0]), Throws.TypeOf<JournalFullException>().With.Message.Match($"rewind to point {points[0].Sequence} needs [0-9]+ bytes of the journal, and [0-9]+ can be had of the {3 << 20}"));
        Assert.That(group.Journal.Points, Is.EqualTo(points));
        Assert.That(group.Journal.Position.Durable, Is.EqualTo(durable), "before anything was written");
        Assert.That(group.Journal.ResyncIsOpen, Is.False);
        group.AssertPoints();
        group.Settings = group.Settings with { Journal = Small };
        group.Reopen();
        group.GoOnBehind();
        Rewind(group, points[0]);
        group.AssertPoints();
    }

    [Test]
    public void Rewind_VolumeWithoutRoom_IsRefusedBeforeAnythingIsWritten()
    {
        using var group = new TestGroup(Small);
        group.Baseline(0, TestGroup.DiskBytes, 0xEE);
        var first = group.EndBaseline();
        group.Append(group.Write(0, 450 << 10, 1), group.Bookmark("after"));
        var durable = group.Journal.Position.Durable;
        group.Volume.CapacityBytes = group.Volume.UsedBytes + (300 << 10);
        Assert.That(() => Rewind(group, group.Journal.Points[0]), Throws.TypeOf<JournalFullException>().With.Message.Match($"rewind to point {first} needs [0-9]+ bytes of the volume, and [0-9]+ can be had"));
        Assert.That(group.Journal.Position.Durable, Is.EqualTo(durable));
    }

    [Test]
    public void Rewind_WithManyCapacities_ThatWasLetBeginHasRoomToTheEnd()
    {
        int done = 0, refused = 0;
        for (var capacity = 2L << 20; capacity <= 9 << 20; capacity += 1 << 20)
        {
            for (var rounds = 2; rounds < 9; rounds += 3)
            {
                using var group = new TestGroup(Small with { CapacityBytes = capacity });
                group.Baseline(0, TestGroup.DiskBytes, 0xEE);
                group.EndBaseline();
                try
                {
                    for (var i = 0; i < rounds; i++) group.Append(group.Write(i % 3 * (100 << 10), (40 << 10) + (i * 29 << 10), (byte)i), group.Bookmark($"r{i}"));
                }
                catch (JournalFullException)
                {
                    continue;
                }

                foreach (var target in group.Journal.Points)
                {
                    if (target.Sequence < group.Journal.Position.Start) continue;
                    GroupRewind rewind;
                    try
                    {
                        rewind = GroupRewind.Begin(group.Store, target);
                    }
                    catch (JournalFullException)
                    {
                        refused++;
                        continue;
                    }

                    using (rewind) group.NoteRewind(target, rewind.Run(null, default));
                    done++;
                    group.AssertPoints();
                }
            }
        }

        Assert.That(done, Is.GreaterThan(20));
        Assert.That(refused, Is.GreaterThan(5));
    }

    [Test]
    public void Rewind_HoleOfWhichLessThanABlockWasWritten_IsAHoleAgain()
    {
        using var group = new TestGroup(Small);
        group.Baseline(64 << 10, 64 << 10, 0xEE);
        group.EndBaseline();
        var holes = HoleBytesOf(group);
        group.Append(group.Write(512, 512, 1), group.Write(8192 + 1024, 4096, 2), group.Write(40_960, 4096, 3), group.Bookmark("one"));
        group.Append(group.Write(2048, 1024, 4), group.Write((64 << 10) + 512, 512, 5), group.Write((60 << 10) + 3584, 1024, 6), group.Bookmark("two"));
        Assert.That(HoleBytesOf(group), Is.LessThan(holes));
        Rewind(group, group.Journal.Points[0]);
        Assert.That(HoleBytesOf(group), Is.EqualTo(holes));
        Assert.That(Live(group).SequenceEqual(group.History[group.Journal.Points[0].Sequence]), Is.True);
        foreach (var target in group.Journal.Points.Concat(group.Journal.Points.Reverse())) Rewind(group, target);
        Assert.That(HoleBytesOf(group), Is.EqualTo(holes));
        group.AssertPoints();
        group.Reopen();
        group.AssertPoints();

        static long HoleBytesOf(TestGroup group) => group.Store.Live[1].Map(0, TestGroup.DiskBytes).Where(r => !r.HasData).Sum(r => r.Length);
    }

    [Test]
    public void Rewind_Metadata_IsAsItWasAndKeysSinceAreGone()
    {
        using var group = new TestGroup(Small);
        group.EndBaseline();
        group.Append(group.Metadata("kept", [1]), group.Metadata("changed", [1]), group.Metadata("removed", [1]), group.Bookmark("then"));
        group.Append(group.Metadata("changed", [2]), group.Metadata("removed", []), group.Metadata("added", [1]), group.Write(0, 512, 1), group.Bookmark("now"));
        var made = Rewind(group, group.Store.FindPoint("then"));
        Assert.That(Values(made), Is.EqualTo("changed=01 kept=01 removed=01"));
        Assert.That(Values(group.Store.FindPoint("now")), Is.EqualTo("added=01 changed=02 kept=01"));
        group.Reopen();
        Assert.That(Values(group.Store.FindPoint("latest")), Is.EqualTo("changed=01 kept=01 removed=01"));
        Assert.That(Values(Rewind(group, group.Store.FindPoint("now"))), Is.EqualTo("added=01 changed=02 kept=01"));
        Assert.That(group.Journal.MetadataKeys, Is.EqualTo(new[] { "added", "changed", "kept" }));

        string Values(RecoveryPoint point) => string.Join(' ', group.Journal.MetadataAt(point.Sequence).OrderBy(m => m.Key, StringComparer.Ordinal).Select(m => $"{m.Key}={Convert.ToHexString(m.Value)}"));
    }

    [Test]
    public void Rewind_ToAnApplicationConsistentBookmark_IsSaidToBeSo()
    {
        using var group = new TestGroup(Small);
        group.EndBaseline();
        var attributes = new Dictionary<string, string> { [RecordAttribute.Name] = "app", [RecordAttribute.Consistency] = "application" };
        group.Append(group.Write(0, 512, 1), group.Make(RecordKind.Bookmark, attributes: attributes));
        group.Append(group.Write(0, 512, 2), group.Bookmark("later"));
        Assert.That(Rewind(group, group.Store.FindPoint("app")).Consistency, Is.EqualTo("application"));
        group.Reopen();
        Assert.That(group.Journal.Points[^1].Consistency, Is.EqualTo("application"));
        Assert.That(group.Journal.NewestRewind, Is.GreaterThan(group.Store.FindPoint("later").Sequence), "known after an opening too");
    }

    [Test]
    public void Rewind_OutsideTheRange_IsRefusedAndNothingIsWritten()
    {
        using var group = Filled(Small);
        var durable = group.Journal.Position.Durable;
        Assert.That(() => GroupRewind.Begin(group.Store, new RecoveryPoint(durable + 1, 0, null, RecoveryPoint.Crash)), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(group.Journal.Position.Durable, Is.EqualTo(durable));
    }

    [Test]
    public void PointCosts_KnownWrites_CountEachByteOnce()
    {
        using var group = new TestGroup(Small);
        group.EndBaseline();
        group.Append(group.Write(0, 8192, 1), group.Bookmark("a"));
        group.Append(group.Write(4096, 8192, 2), group.Write(4096, 512, 3), group.Bookmark("b"));
        group.Append(group.Make(RecordKind.Punch, 0, 1024), group.Bookmark("c"));
        Assert.That(group.Journal.PointCosts().Select(c => c.RewindBytes), Is.EqualTo(new[] { 12_288, 1024 + 8192, 1024, 0 }));
        Assert.That(group.Journal.PointCosts().Select(c => c.RewindSeconds), Is.EqualTo(new double?[] { null, null, null, 0 }), "nothing was measured");
        for (byte i = 0; i < 4; i++) group.Append(group.Write(0, 512 << 10, i), group.Bookmark($"m{i}"));
        Assert.That(group.Journal.PointCosts()[0].RewindSeconds, Is.Positive);
    }

    private static RecoveryPoint Rewind(TestGroup group, RecoveryPoint target)
    {
        using var rewind = GroupRewind.Begin(group.Store, target);
        var made = rewind.Run(null, default);
        Assert.That(rewind.DoneBytes, Is.EqualTo(rewind.TotalBytes));
        group.NoteRewind(target, made);
        return made;
    }

    private static byte[] Live(TestGroup group)
    {
        var found = new byte[TestGroup.DiskBytes];
        group.Store.Live[1].Read(0, found);
        return found;
    }

    private static long HoleBytes(TestGroup group, RecoveryPoint point)
    {
        using var view = group.Store.OpenView(point);
        return view.Disks[1].Map(0, TestGroup.DiskBytes).Where(r => !r.HasData).Sum(r => r.Length);
    }

    /// <summary>Rounds of writes, punches and zeros, in multiples of what a file system can punch.</summary>
    private static TestGroup Filled(JournalOptions options, int rounds = 8)
    {
        var random = new Random(7);
        var group = new TestGroup(options);
        group.Baseline(0, 256 << 10, 0xEE);
        group.EndBaseline();
        for (byte round = 1; round <= rounds; round++)
        {
            var batch = new List<Record> { group.Make(RecordKind.ResyncBegin) };
            for (var i = 0; i < 6; i++)
            {
                var kind = i % 3 == 2 ? RecordKind.Punch : RecordKind.Write;
                batch.Add(group.Make(kind, random.Next(0, 200) * 4096, random.Next(1, 24) * 4096, (byte)(round * 16 + i)));
            }

            batch.Add(group.Make(RecordKind.ResyncEnd));
            group.Append([.. batch]);
        }

        return group;
    }
}
