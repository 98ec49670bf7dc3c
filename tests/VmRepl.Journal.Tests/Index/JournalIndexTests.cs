extern alias simulation;
using simulation::VmRepl.Simulation.Storage;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Tests.Index;

public class JournalIndexTests
{
    private static readonly JournalOptions Small = new() { SegmentBytes = 1 << 20, CapacityBytes = 12 << 20, FreeBytesMin = 0, CheckpointBytes = 1 << 20 };

    [Test]
    public void Reopen_AfterACleanStop_ReadsNoCommitBehindTheIndex()
    {
        using var group = new TestGroup(Small);
        group.EndBaseline();
        Fill(group, 40);
        group.Reopen();
        Assert.That(IndexFiles(group), Is.Not.Empty);
        Assert.That(group.Journal.Counters.CommitsReadAtOpening, Is.Zero);
        group.AssertPoints();
        Fill(group, 10);
        group.AssertPoints();
    }

    [Test]
    public void Reopen_AfterAKill_ReadsOnlyWhatNoFileCovers()
    {
        using var group = new TestGroup(Small);
        group.EndBaseline();
        Fill(group, 60);
        var commits = group.Journal.Counters.Commits;
        group.Crash(CrashKind.ProcessKill);
        Assert.That(group.Journal.Counters.CommitsReadAtOpening, Is.GreaterThan(0).And.LessThan(commits / 2));
        group.AssertPoints();
    }

    [Test]
    public void Reopen_IndexFilesRemoved_GivesTheSameAnswers([Values] bool isKilled, [Range(1, 6)] int seed)
    {
        using var group = new TestGroup(Small);
        group.Baseline(0, TestGroup.DiskBytes / 2, 0xEE);
        group.EndBaseline();
        Fill(group, 30 + (seed * 15), seed);
        group.Append(group.Metadata("definition", [(byte)seed]), group.Bookmark("end"));
        if (isKilled) group.Crash(CrashKind.ProcessKill);
        else group.Reopen();
        var (points, position, costs) = (group.Journal.Points, group.Journal.Position, group.Journal.PointCosts().Select(c => c.RewindBytes).ToList());
        group.AssertPoints();
        group.Store.Dispose();
        group.RemoveIndex();
        using (var reader = group.Open(isReadOnly: true))
        {
            Assert.That(reader.Journal.Points, Is.EqualTo(points));
            Assert.That(reader.Journal.Position.Start, Is.EqualTo(position.Start));
            group.AssertPoints(reader);
        }

        Assert.That(IndexFiles(group), Is.Empty, "a reader writes nothing");
        group.Reopen();
        Assert.That(group.Journal.Points, Is.EqualTo(points));
        Assert.That(group.Journal.PointCosts().Select(c => c.RewindBytes), Is.EqualTo(costs));
        Assert.That(group.Journal.MetadataAt(position.Durable)["definition"], Is.EqualTo(new[] { (byte)seed }));
        group.AssertPoints();
        Fill(group, 20, seed);
        group.AssertPoints();
    }

    [Test]
    public void Read_IndexFileDamaged_IsNamedAndTheNextOpeningMakesItAnew()
    {
        using var group = new TestGroup(Small);
        group.EndBaseline();
        Fill(group, 40);
        group.Store.Dispose();
        var journal = (SimulatedDirectory)group.Directory.Directory("journal");
        var name = IndexFiles(group)[^1];
        // The first page behind the header: runs.
        journal.FlipBit(name, 4096 + 200, 3);
        group.Reopen();
        Assert.That(() => group.AssertPoints(), Throws.TypeOf<JournalDamagedException>().With.Message.Contains(name));
        group.Reopen();
        Assert.That(group.Journal.Counters.CommitsReadAtOpening, Is.GreaterThan(0));
        group.AssertPoints();
    }

    [Test]
    public void Append_LittleMemoryForTheIndex_StaysBelowItAndAnswersAsBefore()
    {
        using var group = new TestGroup(Small);
        group.Settings = group.Settings with { IndexMemoryBytes = 1 << 20 };
        group.Store.Dispose();
        group.Reopen();
        group.EndBaseline();
        for (var i = 0; i < 120; i++)
        {
            Record[] batch = [.. Enumerable.Range(0, 60).Select(k => group.Write((i * 60 + k) * 7 % 2000 * 512, 512, (byte)(i + k))), group.Bookmark($"b{i}")];
            group.Store.Append(batch);
            Assert.That(group.Journal.IndexMemoryBytes, Is.LessThanOrEqualTo(1 << 20), $"batch {i}");
        }

        Assert.That(IndexFiles(group), Is.Not.Empty);
    }

    [Test]
    public void OpenView_OfAnyPoint_ReadsLittle()
    {
        using var group = new TestGroup(Small);
        group.EndBaseline();
        Fill(group, 80);
        group.Append(group.Metadata("definition", new byte[5000]), group.Bookmark("end"));
        group.Reopen();
        foreach (var point in group.Journal.Points)
        {
            var before = group.Journal.BytesRead;
            using var view = group.Store.OpenView(point);
            Assert.That(group.Journal.BytesRead - before, Is.LessThan(64 << 10));
        }

        Assert.That(group.Journal.BytesRead, Is.GreaterThan(5000));
    }

    private static void Fill(TestGroup group, int rounds, int seed = 1)
    {
        var random = new Random(seed);
        for (var i = 0; i < rounds; i++)
        {
            var records = new List<Record> { group.Make(RecordKind.ResyncBegin) };
            for (var k = 0; k < 6; k++)
            {
                var at = random.Next(0, TestGroup.DiskBytes / 512 - 130) * 512;
                records.Add(random.Next(6) == 0 ? group.Make(RecordKind.Punch, at, random.Next(1, 128) * 512) : group.Write(at, random.Next(1, 128) * 512, (byte)random.Next(256)));
            }

            group.Append([.. records, group.Make(RecordKind.ResyncEnd)]);
        }
    }

    private static List<string> IndexFiles(TestGroup group) => [.. group.Directory.Directory("journal").ListFiles().Where(n => n.EndsWith(".vri", StringComparison.Ordinal))];
}
