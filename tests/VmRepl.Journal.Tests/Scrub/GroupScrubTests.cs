extern alias simulation;
using VmRepl.Blocks.Files;
using VmRepl.Journal.Scrub;
using VmRepl.Journal.Segments;
using VmRepl.Journal.Store;

namespace VmRepl.Journal.Tests.Scrub;

public class GroupScrubTests
{
    // From a commit's begin: in its first record's header.
    private const int HeaderPlace = SegmentLayout.FramePrefixBytes + 30;

    [Test]
    public async Task Scrub_SoundStore_IsCleanAndTakesDigestsOnce()
    {
        using var stage = MakeStore();
        var first = await stage.ScrubAsync();
        Assert.That((first.DamageCount, first.RegionsNew, first.RegionsVerified, first.RegionsUnverified), Is.EqualTo((0L, 4L, 0L, 0L)));
        var second = await stage.ScrubAsync();
        Assert.That((second.DamageCount, second.RegionsNew, second.RegionsVerified, second.RegionsUnverified), Is.EqualTo((0L, 0L, 4L, 0L)));
        // Three regions of data and every payload; the fourth region is a hole.
        Assert.That(second.ScannedBytes, Is.GreaterThan(3 << 20).And.LessThan(5 << 20));
        stage.Write("after", 0, 4096, 77);
        var third = await stage.ScrubAsync();
        Assert.That((third.DamageCount, third.RegionsNew, third.RegionsVerified), Is.EqualTo((0L, 1L, 3L)));
        stage.Reopen();
        Assert.That((await stage.ScrubAsync()).RegionsVerified, Is.EqualTo(4));
    }

    [Test]
    public async Task Scrub_BareStore_WritesNothing()
    {
        using var stage = MakeStore();
        await stage.ScrubAsync();
        stage.Write("after", 0, 4096, 77);
        stage.Close();
        var before = stage.Volume.IoCount;
        var report = await stage.ScrubReadOnlyAsync();
        Assert.That(stage.Volume.IoCount, Is.EqualTo(before));
        Assert.That((report.DamageCount, report.RegionsNew, report.RegionsVerified, report.RegionsUnverified), Is.EqualTo((0L, 0L, 3L, 1L)));
    }

    [Test]
    public async Task Scrub_AnyPayloadByteFlipped_NamesExactlyThePointsThatCannotBeRead()
    {
        using var stage = MakeStore();
        var spoiled = 0;
        var flips = 0;
        foreach (var (name, start) in PayloadAreas(stage))
        {
            for (var offset = start; offset < 1 << 20; offset += 40_961, flips++)
            {
                stage.Segments.FlipBit(name, offset, (int)(offset % 8));
                var report = await stage.ScrubAsync();
                var named = report.Damage.SelectMany(d => d.Points).Select(p => p.Sequence).Distinct().Order().ToList();
                Assert.That(named, Is.EqualTo(stage.UnreadablePoints()), $"{name} at {offset}");
                if (report.DamageCount > 0) Assert.That(report.Damage[0].Where, Does.Contain(name));
                Assert.That(report.DamageCount, Is.LessThanOrEqualTo(1));
                if (named.Count > 0) spoiled++;
                stage.Segments.FlipBit(name, offset, (int)(offset % 8));
            }
        }

        Assert.That(flips, Is.GreaterThan(20));
        Assert.That(spoiled, Is.GreaterThan(flips / 2), "padding and void undo are harmless, most is not");
        Assert.That((await stage.ScrubAsync()).DamageCount, Is.Zero);
    }

    [Test]
    public async Task Scrub_PayloadByteFlipped_NamesTheSectors()
    {
        using var stage = MakeStore();
        // The newest write's payload begins the payload area: sectors from 128 KiB on.
        var (name, start) = PayloadAreas(stage)[^1];
        stage.Segments.FlipBit(name, start + (8 << 10) + 5, 1);
        var damage = (await stage.ScrubAsync()).Damage.Single();
        Assert.That(damage.Disk, Is.EqualTo("sda"));
        // Checksums cover 4096 bytes.
        Assert.That(damage.SectorCount, Is.EqualTo(8));
        Assert.That(stage.UnreadablePoints(), Is.Not.Empty.And.EqualTo(damage.Points.Select(p => p.Sequence)));
    }

    [Test]
    public async Task Scrub_RecordsAreaFlipped_IsNamedWithThePointsThatCannotBeRead([Values(0, 3, 5)] int commit)
    {
        using var stage = MakeStore();
        var offset = CommitAt(stage, commit, out _);
        stage.Segments.FlipBit(SegmentLayout.FileName(1), offset + HeaderPlace, 2);
        var running = await stage.ScrubAsync();
        Assert.That(running.Damage, Is.Not.Empty);
        Assert.That(running.Damage.Select(d => d.Where), Has.All.Contains($"offset {offset}: commit {commit}"));
        Assert.That(running.Damage.SelectMany(d => d.Points).Select(p => p.Sequence).Distinct().Order(), Is.EqualTo(stage.UnreadablePoints()));
        stage.Close();
        var bare = await stage.ScrubReadOnlyAsync();
        Assert.That(bare.Damage, Is.Not.Empty);
        Assert.That(bare.Damage.Select(d => d.Where), Has.All.Contains($"offset {offset}: commit {commit}"), "the index covers it, so the group opens");
        stage.RemoveIndex();
        var withoutIndex = await stage.ScrubReadOnlyAsync();
        Assert.That(withoutIndex.Damage.Select(d => d.Where), Has.All.Contains($"{SegmentLayout.FileName(1)}, offset {offset}: commit {commit}"));
    }

    [Test]
    public async Task Scrub_GroupThatCannotBeOpened_NamesThePointsThatAreKnownOf()
    {
        using var stage = MakeStore();
        var before = stage.Journal.Points.Select(p => p.Sequence).ToList();
        var offset = CommitAt(stage, 5, out var lost);
        stage.Close();
        stage.RemoveIndex();
        // One bit would be mended.
        stage.Segments.FlipBit(SegmentLayout.FileName(1), offset + HeaderPlace, 2);
        stage.Segments.FlipBit(SegmentLayout.FileName(1), offset + HeaderPlace, 5);
        var named = (await stage.ScrubReadOnlyAsync()).Damage.Single().Points.Select(p => p.Sequence).ToList();
        Assert.That(named, Is.Not.Empty.And.SubsetOf(before));
        Assert.That(named, Is.SupersetOf(before.Where(s => s < lost.Where(l => l > 0).Min())));
    }

    [Test]
    public async Task Scrub_SegmentHeaderFlipped_IsNamed()
    {
        using var stage = MakeStore();
        stage.Segments.FlipBit(SegmentLayout.FileName(1), 20, 2);
        Assert.That((await stage.ScrubAsync()).Damage.Single().Where, Does.Contain(SegmentLayout.FileName(1)).And.Contain("header"));
    }

    [Test]
    public async Task Scrub_LiveImageFlippedWhereNoRecordIs_SpoilsEveryPointAndNamesTheRegion()
    {
        using var stage = MakeStore();
        await stage.ScrubAsync();
        stage.FlipLive((2 << 20) + 12345, 0);
        var damage = (await stage.ScrubAsync()).Damage.Single();
        Assert.That((damage.Disk, damage.FirstSector, damage.SectorCount), Is.EqualTo(("sda", 4096L, 2048L)));
        Assert.That(damage.Points, Is.EqualTo(stage.Journal.Points));
        Assert.That(damage.Where, Does.Contain("sda.vhdx"));
        stage.Close();
        Assert.That((await stage.ScrubReadOnlyAsync()).Damage.Single().FirstSector, Is.EqualTo(4096));
    }

    [Test]
    public async Task Scrub_LiveImageFlippedWhereARecordIs_NamesTheSectorAndSpoilsNoPoint()
    {
        using var stage = MakeStore();
        await stage.ScrubAsync();
        stage.FlipLive((128 << 10) + 700, 0);
        var damage = (await stage.ScrubAsync()).Damage.Single();
        Assert.That((damage.Disk, damage.FirstSector, damage.SectorCount, damage.PointCount), Is.EqualTo(("sda", 257L, 1L, 0L)));
        Assert.That(stage.UnreadablePoints(), Is.Empty);
    }

    [Test]
    public async Task Scrub_DataLostIntoAHole_IsNamed()
    {
        using var stage = MakeStore();
        await stage.ScrubAsync();
        using (var image = stage.Live.Open("sda.vhdx", HostFileAccess.ReadWrite)) Assert.That(image.TryPunch(stage.Opened.Images[1].PayloadOffset + (2 << 20), 1 << 20), Is.True);
        Assert.That((await stage.ScrubAsync()).Damage.Single().FirstSector, Is.EqualTo(4096));
    }

    [Test]
    public async Task Scrub_DigestFileFlippedAnywhere_NeverBlamesTheLiveImage()
    {
        using var stage = MakeStore();
        await stage.ScrubAsync();
        var name = RegionDigestFile.NameOf("sda");
        for (var offset = 0; offset < RegionDigestFile.HeaderBytes + (4 * RegionDigest.EntryBytes); offset += offset is >= 64 and < RegionDigestFile.HeaderBytes - 64 ? 64 : 1)
        {
            stage.Live.FlipBit(name, offset, offset % 8);
            stage.Reopen();
            var report = await stage.ScrubAsync();
            Assert.That(report.Damage.Select(d => d.Where), Has.All.Contains(name), $"at {offset}");
            if (offset >= RegionDigestFile.HeaderBytes) Assert.That(report.DamageCount, Is.EqualTo(1), $"at {offset}");
            Assert.That((await stage.ScrubAsync()).DamageCount, Is.Zero, $"at {offset}: the digest was taken anew");
            if (!stage.Live.FileExists(name)) Assert.Fail("the file is gone");
        }
    }

    [Test]
    public async Task Scrub_StoreWrittenBySomethingThatKeepsNoDigests_NamesNoDamage([Values] bool crashes)
    {
        using var stage = MakeStore();
        await stage.ScrubAsync();
        stage.Close();
        // An older build: it knows of no digests, forgets none, and makes its own incarnation.
        var name = RegionDigestFile.NameOf("sda");
        var kept = DurableFile.TryRead(Group(), "digests.json")!;
        stage.Live.Rename(name, "hidden");
        stage.Open();
        stage.Write("by-another", 1 << 20, 300 << 10, 0x99);
        if (crashes) stage.Crash(simulation::VmRepl.Simulation.Storage.CrashKind.ProcessKill);
        else stage.Close();
        if (stage.Live.FileExists(name)) stage.Live.Delete(name);
        stage.Live.Rename("hidden", name);
        DurableFile.Replace(Group(), "digests.json", kept);

        var bare = await stage.ScrubReadOnlyAsync();
        Assert.That((bare.DamageCount, bare.RegionsVerified, bare.RegionsUnverified), Is.EqualTo((0L, 0L, 4L)), "whoever reads passes them over");
        stage.Open();
        var report = await stage.ScrubAsync();
        Assert.That((report.DamageCount, report.RegionsVerified, report.RegionsNew), Is.EqualTo((0L, 0L, 4L)), "they are taken anew");
        Assert.That((await stage.ScrubAsync()).RegionsVerified, Is.EqualTo(4));
        stage.Reopen();
        Assert.That((await stage.ScrubAsync()).RegionsVerified, Is.EqualTo(4), "and kept from then on");

        IHostDirectory Group() => stage.Volume.Directory("store").Directory("groups").Directory(ScrubbedStore.Group);
    }

    [Test]
    public async Task Scrub_VolumeFull_VerifiesWithoutTakingDigests()
    {
        using var stage = MakeStore();
        stage.Volume.CapacityBytes = stage.Volume.UsedBytes;
        var full = await stage.ScrubAsync();
        Assert.That((full.DamageCount, full.RegionsNew, full.RegionsUnverified), Is.EqualTo((0L, 0L, 4L)));
        stage.Volume.CapacityBytes = 1L << 30;
        Assert.That((await stage.ScrubAsync()).RegionsNew, Is.EqualTo(4));
    }

    [Test]
    public void Scrub_Cancelled_Stops()
    {
        using var stage = MakeStore();
        using var cancellation = new CancellationTokenSource();
        var options = new ScrubOptions { Progress = p => { if (p.DoneBytes > 2 << 20) cancellation.Cancel(); } };
        Assert.That(async () => await stage.Store.ScrubAsync(ScrubbedStore.Group, options, cancellation.Token), Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public async Task Scrub_WithARate_KeepsBelowIt()
    {
        using var stage = MakeStore();
        var report = await stage.Store.ScrubAsync(ScrubbedStore.Group, new ScrubOptions { BytesPerSecond = 16 << 20 }, CancellationToken.None);
        Assert.That(report.ScannedBytes / report.Duration.TotalSeconds, Is.LessThan(17 << 20));
        Assert.That(report.RegionsNew, Is.EqualTo(4));
    }

    [Test]
    public void LastScrub_Noted_IsReadBack()
    {
        using var stage = MakeStore();
        Assert.That(stage.Opened.ReadLastScrub(), Is.Null);
        var last = new LastScrub(new DateTimeOffset(2026, 5, 1, 0, 0, 0, TimeSpan.Zero), 1, 2, 3, 4, 5, 0.5);
        stage.Opened.NoteScrub(last);
        stage.Reopen();
        Assert.That(stage.Opened.ReadLastScrub(), Is.EqualTo(last));
    }

    [Test]
    public void Scrub_GroupThatIsNotThere_IsRefused()
    {
        using var stage = MakeStore();
        Assert.That(async () => await stage.Store.ScrubAsync("other", new ScrubOptions(), CancellationToken.None), Throws.TypeOf<StoreException>());
    }

    /// <summary>Points whose sectors are written once, twice, and over each other's edges; several segments.</summary>
    private static ScrubbedStore MakeStore()
    {
        var stage = new ScrubbedStore();
        stage.Write("a", 0, 64 << 10, 200);
        stage.Write("b", 32 << 10, 64 << 10, 201);
        stage.Write("c", 96 << 10, 40 << 10, 202);
        stage.Append(
            stage.Fact(Protocol.Records.RecordKind.ResyncBegin), stage.Contents(Protocol.Records.RecordKind.Punch, 16 << 10, 32 << 10, 0, 1),
            stage.Fact(Protocol.Records.RecordKind.ResyncEnd, 1), stage.Fact(Protocol.Records.RecordKind.Bookmark, 3, "d"));
        stage.Write("e", 0, 1024, 203);
        stage.Write("f", 600 << 10, 300 << 10, 204);
        stage.Write("g", 128 << 10, 64 << 10, 205);
        stage.Journal.Checkpoint();
        return stage;
    }

    private static List<(string Name, int PayloadStart)> PayloadAreas(ScrubbedStore stage)
    {
        var areas = new List<(string, int)>();
        foreach (var name in stage.Segments.ListFiles().Where(n => n.StartsWith(SegmentLayout.NamePrefix, StringComparison.Ordinal)))
        {
            using var segment = SegmentFile.Open(stage.Segments, name, HostFileAccess.Read);
            ulong incarnation = 0;
            uint? previous = null;
            while (segment.ReadCommit(previous, ref incarnation) is { } commit) previous = commit.Checksum;
            if (segment.PayloadStart < 1 << 20) areas.Add((name, (int)segment.PayloadStart));
        }

        return areas;
    }

    private static long CommitAt(ScrubbedStore stage, int index, out HashSet<ulong> sequences)
    {
        using var segment = SegmentFile.Open(stage.Segments, SegmentLayout.FileName(1), HostFileAccess.Read);
        ulong incarnation = 0;
        var commits = new List<Commit>();
        while (segment.ReadCommit(commits.Count > 0 ? commits[^1].Checksum : null, ref incarnation) is { } commit) commits.Add(commit);
        sequences = [.. commits[index].Stored.Select(r => r.Sequence)];
        return commits[index].Before.RecordsEnd;
    }
}
