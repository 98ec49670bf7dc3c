using VmRepl.Journal.Points;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Tests.Points;

public class BookmarkTests
{
    [TestCase("latest")]
    [TestCase("123")]
    [TestCase("../escape")]
    [TestCase("")]
    public void Append_NameThatIsNoBookmark_IsRefusedAndNothingIsWritten(string name)
    {
        using var group = new TestGroup();
        var end = group.EndBaseline();
        Assert.That(() => group.Append(group.Write(0, 512, 1), group.Bookmark(name)), Throws.ArgumentException);
        Assert.That(group.Journal.Position.Durable, Is.EqualTo(end));
    }

    [Test]
    public void Append_NameThatExists_IsRefused()
    {
        using var group = new TestGroup();
        group.EndBaseline();
        group.Append(group.Bookmark("a"));
        Assert.That(() => group.Append(group.Bookmark("a")), Throws.ArgumentException.With.Message.Contains("exists already"));
        Assert.That(() => group.Append(group.Bookmark("b"), group.Bookmark("b")), Throws.ArgumentException.With.Message.Contains("exists already"));
    }

    [Test]
    public void Append_BookmarkOfAPointInTheSameBatch_NamesIt()
    {
        using var group = new TestGroup();
        var end = group.EndBaseline();
        group.Append(group.Make(RecordKind.ResyncBegin), group.Write(0, 4096, 1), group.Make(RecordKind.ResyncEnd), group.Bookmark("round-2", end + 3));
        Assert.That(group.Journal.Points.Select(p => (p.Sequence, p.Bookmark)), Is.EqualTo(new[] { (end, (string?)null), (end + 3, "round-2") }));
    }

    [Test]
    public void Append_Bookmark_TakesLessThanAKibibyteAndCopiesNothing()
    {
        using var group = new TestGroup();
        group.Baseline(0, TestGroup.DiskBytes, 1);
        group.EndBaseline();
        group.Append(group.Write(0, 256 << 10, 2));
        var (end, counted) = (RecordsEnd(), group.Journal.Counters.Copy());
        group.Append(group.Bookmark(new string('b', 64)));
        var now = group.Journal.Counters;
        Assert.That(RecordsEnd() - end, Is.InRange(1, 1023));
        Assert.That((now.Commits - counted.Commits, now.UndoBytes - counted.UndoBytes, now.HandDownBytes - counted.HandDownBytes), Is.EqualTo((1L, 0L, 0L)));

        long RecordsEnd()
        {
            using var segment = Journal.Segments.SegmentFile.Open(group.Directory.Directory("journal"), Journal.Segments.SegmentLayout.FileName(1), Blocks.Files.HostFileAccess.Read);
            ulong incarnation = 0;
            uint? previous = null;
            while (segment.ReadCommit(previous, ref incarnation) is { } commit) previous = commit.Checksum;
            return segment.RecordsEnd;
        }
    }

    [Test]
    public void Append_BookmarkInsideARound_IsRefused()
    {
        using var group = new TestGroup();
        group.EndBaseline();
        group.Append(group.Make(RecordKind.ResyncBegin), group.Write(0, 512, 1));
        Assert.That(() => group.Append(group.Bookmark("half-way")), Throws.ArgumentException);
        Assert.That(group.Journal.Points, Has.Count.EqualTo(1));
        Assert.That(group.Journal.ResyncIsOpen, Is.True);
    }

    [Test]
    public void Points_StartOfTheRangeWithNames_KeepsThemOverReopening()
    {
        using var group = new TestGroup(new JournalOptions { SegmentBytes = 1 << 20, CapacityBytes = 2 << 20, FreeBytesMin = 0 });
        group.EndBaseline();
        group.Append(group.Write(0, 400 << 10, 1));
        var named = group.Append(group.Bookmark("own-name"));
        // The name comes later than the point and stands in a later segment. The round stays open, so that the point stays the newest.
        group.Append(group.Make(RecordKind.ResyncBegin), group.Write(512 << 10, 400 << 10, 2));
        group.Append(group.Bookmark("second-name", named));
        for (byte i = 3; group.Journal.Position.Start < named && i < 20; i++)
        {
            group.Journal.Checkpoint();
            try
            {
                group.Append(group.Write(0, 300 << 10, i));
            }
            catch (JournalFullException)
            {
                break;
            }
        }

        var before = group.Journal.Points.Select(p => (p.Sequence, p.Bookmark)).ToList();
        group.Reopen();
        Assert.That(group.Journal.Points.Select(p => (p.Sequence, p.Bookmark)), Is.EqualTo(before));
        Assert.That(before.Select(p => p.Bookmark), Does.Contain("own-name").And.Contain("second-name"));
        Assert.That(PointSelector.Find("g", group.Journal.Points, "own-name").Sequence, Is.EqualTo(named));
    }
}
