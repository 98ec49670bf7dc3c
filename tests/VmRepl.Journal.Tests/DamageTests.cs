extern alias simulation;
using simulation::VmRepl.Simulation.Storage;
using VmRepl.Journal.Scrub;
using VmRepl.Journal.Segments;
using VmRepl.Journal.Store;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Tests;

public class DamageTests
{
    [Test]
    public void Open_AnyByteOfASegmentFlipped_IsHarmlessOrNamed([Values] bool hasIndex)
    {
        using var group = MakeClosedGroup(out var recordsEnd);
        if (!hasIndex) group.RemoveIndex();
        var journal = (SimulatedDirectory)group.Directory.Directory("journal");
        var name = SegmentLayout.FileName(1);
        int named = 0, harmless = 0;
        var places = Enumerable.Range(0, 96).Concat(Enumerable.Range(SegmentLayout.HeaderBytes, (int)recordsEnd - SegmentLayout.HeaderBytes))
            .Concat(Enumerable.Range(0, (1 << 20) / 1021).Select(i => i * 1021)).Append((1 << 20) - 1);
        foreach (var offset in places)
        {
            journal.FlipBit(name, offset, offset % 8);
            if (IsNamed(group, name, offset)) named++;
            else harmless++;
            journal.FlipBit(name, offset, offset % 8);
        }

        Assert.That(named, Is.GreaterThan(hasIndex ? 500 : 1500));
        Assert.That(harmless, Is.GreaterThan(100), "free space and padding");
    }

    [Test]
    public void Open_LastCommitOfAClosedSegmentFlipped_IsNamed()
    {
        using var group = new TestGroup();
        group.EndBaseline();
        var before = 0L;
        while (!group.Directory.Directory("journal").FileExists(SegmentLayout.FileName(2))) group.Append(group.Write(before++ % 8 * 4096, 120 << 10, 5), group.Bookmark($"b{before}"));
        group.Store.Dispose();
        var journal = (SimulatedDirectory)group.Directory.Directory("journal");
        long end;
        using (var segment = SegmentFile.Open(journal, SegmentLayout.FileName(1), Blocks.Files.HostFileAccess.Read))
        {
            ReadAll(segment);
            end = segment.RecordsEnd;
        }

        journal.FlipBit(SegmentLayout.FileName(1), end - 512, 3);
        Assert.That(() => group.Open(isReadOnly: true).Dispose(), Throws.Nothing, "the index covers it: a scrub finds it");
        group.RemoveIndex();
        Assert.That(() => group.Open(isReadOnly: true), Throws.TypeOf<JournalDamagedException>().With.Message.Contains(SegmentLayout.FileName(1)));
    }

    [Test]
    public void Open_SegmentHeaderLost_EveryPointIsReadAndWritingGoesOn([Values] bool hasIndex)
    {
        using var group = new TestGroup(new JournalOptions { SegmentBytes = 1 << 20, FreeBytesMin = 0, AgeMax = TimeSpan.FromDays(36_500) });
        group.EndBaseline();
        for (byte i = 0; !group.Directory.Directory("journal").FileExists(SegmentLayout.FileName(3)); i++) group.Append(group.Write(i * 512, 200 << 10, i), group.Bookmark($"b{i}"));
        group.Store.Dispose();
        if (!hasIndex) group.RemoveIndex();
        Overwrite(group, 2, 0, new byte[SegmentLayout.HeaderBytes]);
        using (var reader = group.Open(isReadOnly: true)) group.AssertPoints(reader);
        group.Reopen();
        group.AssertPoints();
        group.Append(group.Write(0, 4096, 99), group.Bookmark("after"));
        group.Reopen();
        Assert.That(group.Journal.Points[^1].Bookmark, Is.EqualTo("after"));
        group.AssertPoints();
        var damage = Scrub(group.Store).Damage.Single();
        Assert.That(damage.Where, Does.Contain(SegmentLayout.FileName(2)).And.Contain("header"));
        Assert.That(damage.Points, Is.Empty);
    }

    /// <summary>The first sector of a commit holds its prefix, its header and the first record's; here also a part of a payload that stands inside its record.</summary>
    [Test]
    public void Open_PayloadInsideACommitLost_SpoilsThePointsThatReadItAndNoOthers([Values] bool hasIndex)
    {
        using var group = new TestGroup();
        group.EndBaseline();
        group.Append(group.Write(0, 3584, 1), group.Bookmark("before"));
        var at = EndOf(group, 1);
        group.Append(group.Write(0, 3584, 2), group.Bookmark("lost"));
        group.Append(group.Write(0, 3584, 3), group.Bookmark("after"));
        group.Store.Dispose();
        if (!hasIndex) group.RemoveIndex();
        Overwrite(group, 1, at + 1024, new byte[512]);
        using (var reader = group.Open(isReadOnly: true)) AssertOnlyLostIsSpoiled(group, reader);
        group.Reopen();
        AssertOnlyLostIsSpoiled(group, group.Store);
        group.Append(group.Write(512, 512, 4), group.Bookmark("later"));
        group.Reopen();
        Assert.That(TestGroup.Read(group.Store, group.Store.FindPoint("later")), Is.EqualTo(group.History[group.Store.FindPoint("later").Sequence]));
        AssertOnlyLostIsSpoiled(group, group.Store);
    }

    /// <summary>A commit's frame, of which every record is whole: nothing is lost.</summary>
    [Test]
    public void Open_PrefixOfACommitLost_EveryPointIsRead([Values] bool isLastOfItsSegment)
    {
        using var group = new TestGroup();
        group.EndBaseline();
        var at = EndOf(group, 1);
        if (isLastOfItsSegment)
        {
            for (byte i = 0; !group.Directory.Directory("journal").FileExists(SegmentLayout.FileName(2)); i++)
            {
                at = EndOf(group, 1);
                group.Append(group.Write(i * 512, 200 << 10, i), group.Bookmark($"b{i}"));
            }

            at = LastCommitOf(group, 1);
        }
        else
        {
            group.Append(group.Write(0, 8192, 1), group.Bookmark("a"));
            group.Append(group.Write(0, 8192, 2), group.Bookmark("b"));
        }

        group.Store.Dispose();
        group.RemoveIndex();
        // The last one of a segment tells by its prefix how long it is: its checksum may be lost.
        Overwrite(group, 1, isLastOfItsSegment ? at + 7 : at, new byte[isLastOfItsSegment ? 4 : SegmentLayout.FramePrefixBytes]);
        using (var reader = group.Open(isReadOnly: true)) group.AssertPoints(reader);
        group.Reopen();
        group.AssertPoints();
        Assert.That(Scrub(group.Store).Damage.Select(d => d.Where), Has.All.Contains($"offset {at}: commit").And.Not.Empty);
    }

    /// <summary>The newest segment is read again at each opening, and the oldest when it is retired: neither may stop the group where the index knows what is lost.</summary>
    [Test]
    public void Append_RecordHeaderLostThatAnIndexCovers_OpensRetiresAndNamesWhatIsLost()
    {
        using var group = new TestGroup(new JournalOptions { SegmentBytes = 1 << 20, FreeBytesMin = 0, CapacityBytes = 4 << 20, AgeMax = TimeSpan.FromDays(36_500) });
        group.EndBaseline();
        var at = EndOf(group, 1);
        group.Append(group.Write(0, 8192, 1), group.Bookmark("lost"));
        group.Append(group.Write(0, 8192, 2), group.Bookmark("b"));
        group.Store.Dispose();
        Overwrite(group, 1, at + SegmentLayout.FramePrefixBytes + CommitHeader.BytesMax + 8, [0xFF, 0xFF, 0xFF]);
        group.Reopen();
        AssertOnlyLostIsSpoiled(group, group.Store);
        for (byte i = 0; group.Journal.Counters.SegmentsRetired < 2; i++) group.Append(group.Write((i % 4 * 100) << 10, 100 << 10, i), group.Bookmark($"r{i}"));
        group.AssertPoints();
        group.Reopen();
        group.AssertPoints();
    }

    /// <summary>Its extent is not known without it, so that any sector may be touched by it: the group is not opened, and says where.</summary>
    [Test]
    public void Open_RecordHeaderLostThatNoIndexCovers_IsRefusedByPlace()
    {
        using var group = new TestGroup();
        group.EndBaseline();
        var at = EndOf(group, 1);
        group.Append(group.Write(0, 8192, 1), group.Bookmark("a"));
        group.Append(group.Write(0, 8192, 2), group.Bookmark("b"));
        group.Store.Dispose();
        Overwrite(group, 1, at + SegmentLayout.FramePrefixBytes + CommitHeader.BytesMax + 8, [0xFF, 0xFF, 0xFF]);
        using (var reader = group.Open(isReadOnly: true)) Assert.That(TestGroup.Read(reader, reader.FindPoint("b")), Is.EqualTo(group.History[reader.FindPoint("b").Sequence]), "the index covers it");
        group.RemoveIndex();
        Assert.That(() => group.Open(isReadOnly: true), Throws.TypeOf<JournalDamagedException>().With.Message.Contains(SegmentLayout.FileName(1)).And.Message.Contains($"{at}"));
        Assert.That(() => group.Open(isReadOnly: false), Throws.TypeOf<JournalDamagedException>());
    }

    [Test]
    public void Open_SegmentMissing_IsNamed([Values(1, 2)] int serial)
    {
        using var group = new TestGroup();
        group.EndBaseline();
        // In a round, so that the baseline's end stays the newest point and nothing is retired.
        group.Append(group.Make(RecordKind.ResyncBegin));
        for (byte i = 0; !group.Directory.Directory("journal").FileExists(SegmentLayout.FileName(3)); i++) group.Append(group.Write(i * 512, 200 << 10, i));
        group.Store.Dispose();
        group.Directory.Directory("journal").Delete(SegmentLayout.FileName((ulong)serial));
        Assert.That(() => group.Open(isReadOnly: true), Throws.TypeOf<JournalDamagedException>().With.Message.Contains(SegmentLayout.FileName((ulong)serial)));
    }

    [Test]
    public void Open_SegmentCutOff_IsNamed()
    {
        using var group = new TestGroup();
        group.EndBaseline();
        group.Store.Dispose();
        using (var file = group.Directory.Directory("journal").Open(SegmentLayout.FileName(1), Blocks.Files.HostFileAccess.ReadWrite)) file.SetLength(500_000);
        Assert.That(() => group.Open(isReadOnly: true), Throws.TypeOf<JournalDamagedException>().With.Message.Contains("cut off"));
    }

    [Test]
    public void Append_AfterASegmentOfAnOlderVersion_GoesOnInANewOne()
    {
        using var group = new TestGroup();
        group.EndBaseline();
        group.Append(group.Write(4096, 5120, 1), group.Bookmark("old"));
        group.Store.Dispose();
        var journal = (SimulatedDirectory)group.Directory.Directory("journal");
        using (var file = journal.Open(SegmentLayout.FileName(1), Blocks.Files.HostFileAccess.ReadWrite))
        {
            var header = SegmentHeader.Read(file);
            using var writer = new Protocol.MessagePack.MessagePackWriter();
            Frame.Begin(writer, SegmentLayout.HeaderMagic);
            writer.WriteArrayHeader(6);
            writer.WriteInt32(1);
            writer.WriteUInt64(header.Serial);
            writer.WriteUInt64(header.Nonce);
            writer.WriteInt64(header.SegmentBytes);
            writer.WriteInt64(header.CreatedUs);
            writer.WriteUInt32(header.Previous);
            Frame.End(writer);
            file.Write(0, writer.WrittenSpan);
            Assert.That(SegmentHeader.Read(file), Is.EqualTo(header));
        }

        var before = journal.Contents(SegmentLayout.FileName(1));
        group.Reopen();
        Assert.That(group.Store.Journal.Points.Select(p => p.Bookmark), Does.Contain("old"));
        group.Append(group.Write(4096, 5120, 2), group.Bookmark("new"));
        Assert.That(journal.FileExists(SegmentLayout.FileName(2)), Is.True);
        Assert.That(journal.Contents(SegmentLayout.FileName(1)), Is.EqualTo(before), "nothing is added to the older one");
    }

    [Test]
    public void Open_NewerVersion_IsRefusedByName()
    {
        using var group = new TestGroup();
        group.EndBaseline();
        group.Store.Dispose();
        using (var file = group.Directory.Directory("journal").Open(SegmentLayout.FileName(1), Blocks.Files.HostFileAccess.ReadWrite))
        {
            using var writer = new Protocol.MessagePack.MessagePackWriter();
            Frame.Begin(writer, SegmentLayout.HeaderMagic);
            writer.WriteArrayHeader(2);
            writer.WriteInt32(3);
            writer.WriteString("whatever comes then");
            Frame.End(writer);
            file.Write(0, writer.WrittenSpan);
        }

        Assert.That(() => group.Open(isReadOnly: true), Throws.TypeOf<JournalDamagedException>().With.Message.Contains("version 3"));
    }

    [Test]
    public void Open_CommitOfAGuestInARecycledFile_IsNotTakenForOne()
    {
        // A guest that knows the format writes a commit, right down to the checksum, into its disk; the segment's file is used again.
        using var group = new TestGroup(new JournalOptions { SegmentBytes = 1 << 20, CapacityBytes = 3 << 20, FreeBytesMin = 0, NewNonce = () => (ulong)Random.Shared.NextInt64() });
        group.EndBaseline();
        using var writer = new Protocol.MessagePack.MessagePackWriter();
        Frame.Begin(writer, SegmentLayout.CommitMagic);
        new CommitHeader(5, 12345, 1, 0, 0, 1).WriteTo(writer);
        Frame.End(writer);
        var forged = new byte[256 << 10];
        for (var at = 0; at < forged.Length; at += SegmentLayout.CommitAlignment) writer.WrittenSpan.CopyTo(forged.AsSpan(at));
        for (var i = 0; i < 20; i++)
        {
            var write = group.Make(RecordKind.ResyncBegin);
            group.Store.Append([write, Record.Create(group.Write(0, forged.Length, 0).Header, forged), group.Make(RecordKind.ResyncEnd)]);
        }

        Assert.That(group.Journal.Counters.SegmentsRecycled, Is.GreaterThan(0));
        var newest = group.Journal.Position.Durable;
        group.Reopen();
        Assert.That(group.Journal.Position.Durable, Is.EqualTo(newest));
        Assert.That(TestGroup.Read(group.Store, group.Store.FindPoint("latest")).AsSpan(0, forged.Length).SequenceEqual(forged), Is.True);
    }

    private static void AssertOnlyLostIsSpoiled(TestGroup group, GroupStore store)
    {
        var lost = store.FindPoint("lost");
        Assert.That(() => TestGroup.Read(store, lost), Throws.TypeOf<JournalDamagedException>());
        foreach (var point in store.Journal.Points.Where(p => p != lost)) Assert.That(TestGroup.Read(store, point), Is.EqualTo(group.History[point.Sequence]), $"{point}");
        // Beside it the ends of the stretch that it spoils.
        var named = Scrub(store).Damage.SelectMany(d => d.Points).ToList();
        Assert.That(named.Where(store.Journal.Points.Contains), Is.EqualTo(new[] { lost }));
        foreach (var followed in named) Assert.That(() => TestGroup.Read(store, followed), Throws.TypeOf<JournalDamagedException>(), $"{followed}");
    }

    private static ScrubReport Scrub(GroupStore store) => GroupScrub.RunAsync(store, new ScrubOptions(), CancellationToken.None).GetAwaiter().GetResult();

    private static void Overwrite(TestGroup group, ulong serial, long offset, byte[] by)
    {
        using var file = group.Directory.Directory("journal").Open(SegmentLayout.FileName(serial), Blocks.Files.HostFileAccess.ReadWrite);
        file.Write(offset, by);
    }

    /// <summary>Behind the commits of a segment.</summary>
    private static long EndOf(TestGroup group, ulong serial)
    {
        using var segment = SegmentFile.Open(group.Directory.Directory("journal"), SegmentLayout.FileName(serial), Blocks.Files.HostFileAccess.Read);
        ReadAll(segment);
        return segment.RecordsEnd;
    }

    private static long LastCommitOf(TestGroup group, ulong serial)
    {
        using var segment = SegmentFile.Open(group.Directory.Directory("journal"), SegmentLayout.FileName(serial), Blocks.Files.HostFileAccess.Read);
        ReadAll(segment);
        return segment.ReadCommits(segment.End).Last().Before.RecordsEnd;
    }

    private static TestGroup MakeClosedGroup(out long recordsEnd)
    {
        var group = new TestGroup();
        group.Baseline(0, 64 << 10, 0xEE);
        group.EndBaseline();
        group.Append(group.Metadata("definition", [1, 2, 3]), group.Write(0, 512, 1), group.Bookmark("a"));
        group.Append(group.Write(512, 8192, 2), group.Make(RecordKind.Punch, 32 << 10, 8192), group.Bookmark("b"));
        group.Append(group.Make(RecordKind.ResyncBegin), group.Write(0, 4096, 3), group.Make(RecordKind.ResyncEnd));
        group.Store.Dispose();
        using var segment = SegmentFile.Open(group.Directory.Directory("journal"), SegmentLayout.FileName(1), Blocks.Files.HostFileAccess.Read);
        ReadAll(segment);
        recordsEnd = segment.RecordsEnd;
        return group;
    }

    private static void ReadAll(SegmentFile segment)
    {
        ulong incarnation = 0;
        uint? previous = null;
        while (segment.ReadCommit(previous, ref incarnation) is { } commit) previous = commit.Checksum;
    }

    /// <summary>False where everything is as it was; fails where anything is wrong without a word.</summary>
    private static bool IsNamed(TestGroup group, string name, int offset)
    {
        try
        {
            using var reader = group.Open(isReadOnly: true);
            Assert.That(reader.Journal.Points.Select(p => p.Bookmark), Is.EqualTo(new[] { null, "a", "b", null }), $"flipped at {offset}");
            group.AssertPoints(reader);
            Assert.That(reader.Journal.MetadataAt(reader.Journal.Points[1].Sequence)["definition"], Is.EqualTo(new byte[] { 1, 2, 3 }));
            return false;
        }
        catch (JournalDamagedException e)
        {
            Assert.That(e.Message, Does.Contain(name));
            return true;
        }
    }
}
