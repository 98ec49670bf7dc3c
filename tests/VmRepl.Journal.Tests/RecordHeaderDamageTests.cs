extern alias simulation;
using simulation::VmRepl.Simulation.Storage;
using VmRepl.Blocks.Files;
using VmRepl.Journal.Points;
using VmRepl.Journal.Scrub;
using VmRepl.Journal.Segments;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Tests;

/// <summary>Damage in what says where contents belong, in a journal that no index file covers.</summary>
public class RecordHeaderDamageTests
{
    private static readonly JournalOptions Options = new() { SegmentBytes = 1 << 20, FreeBytesMin = 0, NewNonce = () => 42 };

    [Test]
    public void Open_AnyBitOfARecordHeaderFlipped_EveryPointIsReadAndAScrubNamesIt()
    {
        using var group = MakeGroup(null, out var headers, out _);
        foreach (var (at, length) in headers)
        {
            for (var bit = 0; bit < 8 * length; bit += 5)
            {
                Flip(group, at + (bit / 8), (byte)(1 << (bit % 8)));
                using (var reader = group.Open(isReadOnly: true))
                {
                    Assert.That(reader.Journal.Counters.CommitsMended, Is.EqualTo(1));
                    AssertAllIsThere(group, reader);
                    if (bit % 40 == 0)
                    {
                        var damage = GroupScrub.RunAsync(reader, new ScrubOptions(), CancellationToken.None).GetAwaiter().GetResult().Damage.Single();
                        Assert.That(damage.Where, Does.Contain(SegmentLayout.FileName(1)).And.Contain("commit"));
                        Assert.That(damage.Points, Is.Empty);
                    }
                }

                Flip(group, at + (bit / 8), (byte)(1 << (bit % 8)));
            }
        }
    }

    /// <summary>Frames, numbers, the heads of records, payloads that stand inside them: the group opens, and of the points only what reads a damaged payload is refused.</summary>
    [Test]
    public void Open_AnyBitOfTheCommitsFlipped_OpensAndIsNeverWrong()
    {
        using var group = MakeGroup(null, out _, out var end);
        int exact = 0, spoiled = 0;
        for (long bit = 8L * SegmentLayout.HeaderBytes; bit < 8 * end; bit += 23)
        {
            Flip(group, bit / 8, (byte)(1 << (int)(bit % 8)));
            using (var reader = group.Open(isReadOnly: true))
            {
                Assert.That(reader.Journal.Points.Select(p => p.Bookmark), Is.EqualTo(new[] { null, "a", "b", "c" }), $"bit {bit}");
                if (CountSpoiled(group, reader) == 0) exact++;
                else spoiled++;
            }

            Flip(group, bit / 8, (byte)(1 << (int)(bit % 8)));
        }

        Assert.That(exact, Is.GreaterThan(200));
        Assert.That(spoiled, Is.GreaterThan(50), "payloads inside records");
    }

    /// <summary>What cannot be mended closes the group by name; nothing is ever wrong without a word.</summary>
    [Test]
    public void Open_AnyByteOfARecordHeaderReplaced_IsNamed([Values(0xFF, 0x55, 0x03)] int flips)
    {
        using var group = MakeGroup(null, out var headers, out _);
        foreach (var at in headers.SelectMany(h => Enumerable.Range(0, h.Length).Select(i => h.At + i)))
        {
            Flip(group, at, (byte)flips);
            Assert.That(() => group.Open(isReadOnly: true), Throws.TypeOf<JournalDamagedException>().With.Message.Contains(SegmentLayout.FileName(1)).And.Message.Contains("spoiled"), $"byte {at}");
            Flip(group, at, (byte)flips);
        }
    }

    [Test]
    public void Open_BitFlippedInRealFiles_GoesOnWriting()
    {
        var path = Directory.CreateTempSubdirectory("vmrepl-flips-").FullName;
        try
        {
            using var group = MakeGroup(new HostDirectory(Path.Combine(path, "group")), out var headers, out _);
            foreach (var (at, length) in headers)
            {
                for (var i = 0; i < length; i += 7)
                {
                    Flip(group, at + i, (byte)(1 << (i % 8)));
                    using (var reader = group.Open(isReadOnly: true)) AssertAllIsThere(group, reader);
                    Flip(group, at + i, (byte)(1 << (i % 8)));
                }
            }

            Flip(group, headers[^3].At + 9, 4);
            group.Reopen();
            group.AssertPoints();
            group.Append(group.Write(2048, 12 << 10, 7), group.Bookmark("later"));
            group.Reopen();
            group.AssertPoints();
            Assert.That(group.Journal.Points[^1].Bookmark, Is.EqualTo("later"));
        }
        finally
        {
            Directory.Delete(path, recursive: true);
        }
    }

    /// <summary>Nothing was applied durably: what the live image holds is made again from the records, the mended ones with them, whichever commit it is, the last one too.</summary>
    [Test]
    public void Recovery_BitFlippedBehindTheCheckpoint_RedoesWhatWasWritten([Range(0, 3)] int from)
    {
        using var group = new TestGroup(Options);
        group.Volume.FlushRoot();
        group.EndBaseline();
        group.Append(group.Write(0, 64 << 10, 1), group.Bookmark("a"));
        group.Append(group.Write(4096, 70_144, 2), group.Make(RecordKind.Punch, 8192, 8192), group.Bookmark("b"));
        group.Append(group.Write(512, 2048, 3), group.Bookmark("c"));
        var headers = HeadersOf(group, out _);
        group.Abandon(CrashKind.PowerLoss);
        var (at, length) = headers[headers.Count - 1 - from];
        Flip(group, at + (length / 2), 0x10);
        group.Crash(CrashKind.ProcessKill);
        Assert.That(group.Journal.Counters.CommitsMended, Is.EqualTo(1));
        Assert.That(group.Journal.Counters.RecordsRedone, Is.EqualTo(4));
        AssertAllIsThere(group, group.Store);
        var live = new byte[TestGroup.DiskBytes];
        group.Store.Live[1].Read(0, live);
        Assert.That(live, Is.EqualTo(group.History[group.Journal.Position.Applied]));
        group.Append(group.Write(0, 4096, 9), group.Bookmark("d"));
        group.Reopen();
        group.AssertPoints();
    }

    private static TestGroup MakeGroup(IHostDirectory? directory, out List<(long At, int Length)> headers, out long end)
    {
        var group = new TestGroup(Options, directory);
        group.Baseline(0, 64 << 10, 0xEE);
        group.EndBaseline();
        group.Append(group.Metadata("definition", [1, 2, 3]), group.Write(0, 512, 1), group.Bookmark("a"));
        group.Append(group.Write(512, 40 << 10, 2), group.Make(RecordKind.Punch, 32 << 10, 8192), group.Bookmark("b"));
        group.Append(group.Write(0, 4096, 3), group.Bookmark("c"));
        headers = HeadersOf(group, out end);
        group.Store.Dispose();
        group.RemoveIndex();
        return group;
    }

    /// <summary>The headers of everything appended so far.</summary>
    private static List<(long At, int Length)> HeadersOf(TestGroup group, out long end)
    {
        using var segment = SegmentFile.Open(group.Directory.Directory("journal"), SegmentLayout.FileName(1), HostFileAccess.Read);
        ulong incarnation = 0;
        uint? previous = null;
        var headers = new List<(long, int)>();
        while (segment.ReadCommit(previous, ref incarnation) is { } commit)
        {
            previous = commit.Checksum;
            headers.AddRange(commit.Stored.Select(r => ((long)r.Ref.HeaderOffset, r.Ref.HeaderLength)));
        }

        end = segment.RecordsEnd;
        return headers;
    }

    private static void AssertAllIsThere(TestGroup group, Journal.Store.GroupStore store)
    {
        Assert.That(CountSpoiled(group, store), Is.Zero);
        if (store.Journal.Points.LastOrDefault(p => p.Bookmark == "c") is { } newest && group.History.ContainsKey(newest.Sequence) && store.Journal.MetadataKeys.Count > 0)
            Assert.That(store.Journal.MetadataAt(newest.Sequence)["definition"], Is.EqualTo(new byte[] { 1, 2, 3 }));
    }

    private static int CountSpoiled(TestGroup group, Journal.Store.GroupStore store)
    {
        var spoiled = 0;
        foreach (var point in store.Journal.Points)
        {
            try
            {
                Assert.That(TestGroup.Read(store, point).AsSpan().SequenceEqual(group.History[point.Sequence]), Is.True, $"contents at {point}");
            }
            catch (JournalDamagedException)
            {
                spoiled++;
            }
        }

        return spoiled;
    }

    private static void Flip(TestGroup group, long offset, byte bits)
    {
        using var file = group.Directory.Directory("journal").Open(SegmentLayout.FileName(1), HostFileAccess.ReadWrite);
        var one = new byte[1];
        file.ReadExactly(offset, one);
        one[0] ^= bits;
        file.Write(offset, one);
        file.Flush();
    }
}
