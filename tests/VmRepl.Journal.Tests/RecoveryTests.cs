extern alias simulation;
using simulation::VmRepl.Simulation.Storage;
using VmRepl.Blocks.Files;
using VmRepl.Journal.Segments;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Tests;

public class RecoveryTests
{
    [Test]
    public void Append_CrashAtEveryChange_LosesNothingAcknowledged([Values] CrashKind kind)
    {
        for (var at = 1; ; at++)
        {
            using var group = new TestGroup(new JournalOptions { SegmentBytes = 1 << 20, CapacityBytes = 3 << 20, FreeBytesMin = 0 });
            group.Volume.FlushRoot();
            var isDown = false;
            group.Baseline(0, 256 << 10, 0xEE);
            var acknowledged = group.EndBaseline();
            group.Volume.CrashKind = kind;
            group.Volume.CrashAt = group.Volume.IoCount + at;
            Record[] batch = [];
            try
            {
                for (byte i = 1; i < 12; i++)
                {
                    batch = [group.Make(RecordKind.ResyncBegin), group.Write(i * 512, 250 << 10, i), group.Make(RecordKind.Punch, 64 << 10, 8192), group.Make(RecordKind.ResyncEnd)];
                    acknowledged = group.Append(batch);
                }
            }
            catch (SimulatedCrashException)
            {
                isDown = true;
            }

            group.Volume.CrashAt = long.MaxValue;
            if (!isDown) break;
            Assert.That(at, Is.LessThan(1000));
            group.Crash(kind);
            Assert.That(group.Journal.Position.Durable, Is.AnyOf(acknowledged, batch[0].Header.Sequence, batch[1].Header.Sequence, batch[2].Header.Sequence, batch[3].Header.Sequence));
            foreach (var point in group.Journal.Points.Where(p => p.Sequence <= acknowledged))
                Assert.That(TestGroup.Read(group.Store, point).AsSpan().SequenceEqual(group.History[point.Sequence]), Is.True, $"crash at {at}, contents at {point.Sequence}");
        }
    }

    [Test]
    public void Open_TornCommitThenARoll_TornOneDoesNotComeBack()
    {
        using var group = new TestGroup();
        group.EndBaseline();
        group.Append(group.Write(0, 300 << 10, 1), group.Bookmark("a"));
        // The next commit's records reach the disk and its payload does not.
        group.Append(group.Write(0, 200 << 10, 2), group.Bookmark("torn"));
        group.Abandon(CrashKind.ProcessKill);
        var journal = (SimulatedDirectory)group.Volume.Directory("group").Directory("journal");
        FlipInTornPayload(journal);
        group.Crash(CrashKind.ProcessKill);
        Assert.That(group.Journal.Counters.TailWasTorn, Is.True);
        Assert.That(group.Journal.Points.Select(p => p.Bookmark), Is.EqualTo(new[] { null, "a" }));
        // Too large for what is left of the segment: the next commit goes to a new one, and the torn one stays where it is.
        group.Append(group.Write(0, 400 << 10, 3), group.Bookmark("b"));
        group.Crash(CrashKind.ProcessKill);
        Assert.That(group.Journal.Points.Select(p => p.Bookmark), Is.EqualTo(new[] { null, "a", "b" }));
        Assert.That(TestGroup.Read(group.Store, group.Store.FindPoint("b"))[0], Is.EqualTo(3));
    }

    [Test]
    public void Open_ReadOnlyAfterAKill_ReadsPointsWithoutWritingAnything()
    {
        using var group = new TestGroup();
        group.EndBaseline();
        group.Append(group.Write(0, 4096, 1), group.Bookmark("a"));
        group.Abandon(CrashKind.ProcessKill);
        var changes = group.Volume.IoCount;
        using var reader = Store.GroupStoreReader.Open(group);
        group.AssertPoints(reader);
        Assert.That(group.Volume.IoCount, Is.EqualTo(changes));
        Assert.That(() => reader.Append([group.Write(0, 512, 2)]), Throws.InvalidOperationException);
    }

    [Test]
    public void Dispose_AfterAppends_NeedsNoRedoAtTheNextOpening()
    {
        using var group = new TestGroup();
        group.EndBaseline();
        group.Append(group.Write(0, 4096, 1));
        group.Reopen();
        Assert.That(group.Journal.Counters.RecordsRedone, Is.Zero);
        Assert.That(group.Journal.Position.Checkpoint, Is.EqualTo(group.Journal.Position.Durable));
    }

    private static void FlipInTornPayload(SimulatedDirectory journal)
    {
        long place;
        using (var segment = SegmentFile.Open(journal, SegmentLayout.FileName(1), HostFileAccess.Read))
        {
            ulong incarnation = 0;
            uint? previous = null;
            while (segment.ReadCommit(previous, ref incarnation) is { } commit) previous = commit.Checksum;
            place = segment.PayloadStart;
        }

        journal.FlipBit(SegmentLayout.FileName(1), place + 100, 0);
    }
}
