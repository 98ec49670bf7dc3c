using System.Security.Cryptography;
using VmRepl.Blocks.Files;
using VmRepl.Journal.Scrub;
using VmRepl.Journal.Store;

namespace VmRepl.Journal.Tests.Sharing;

/// <summary>On file systems that share extents the journal takes over old contents without a copy, and where it is asked to, gives new ones without a copy; every point is what a list of the writes says.</summary>
[TestFixture("xfs", false)]
[TestFixture("xfs", true)]
[TestFixture("btrfs", false)]
[TestFixture("btrfs", true)]
public class SharedExtentTests(string kind, bool sharesNew)
{
    private const int KiB = 1024, Block = 4096;

    private LoopVolume volume = null!;

    private string Root => Path.Combine(volume.Path, "g");

    private string LiveFile => Path.Combine(Root, "live", "sda.vhdx");

    private string[] SegmentFiles => Directory.GetFiles(Path.Combine(Root, "journal"));

    [SetUp]
    public void MakeVolume() => volume = new LoopVolume(kind);

    [TearDown]
    public void RemoveVolume() => volume?.Dispose();

    [Test]
    public void Append_FirstTouchOfALargeRange_JournalTakesTheBlocksThatTheLiveImageHad()
    {
        using var group = NewGroup();
        var before = LiveBlocks(group, 128 * KiB, 192 * KiB);
        // It begins and ends inside a block: the blocks between are taken over.
        group.Append(group.Write((128 * KiB) - 512, (192 * KiB) + 1024, 2), group.Bookmark("a"));
        Assert.That(group.Journal.Counters.UndoBytesShared, Is.EqualTo(192 * KiB));
        Assert.That(group.Journal.Counters.UndoBytes, Is.EqualTo((192 * KiB) + 1024));
        var taken = SegmentFiles.SelectMany(f => LoopVolume.Blocks(f).Values).Select(b => b.Physical).ToHashSet();
        Assert.That(before.Where(b => !taken.Contains(b.Physical)), Is.Empty, "blocks that were copied");
        Assert.That(LiveBlocks(group, 128 * KiB, 192 * KiB).Select(b => b.Physical), Is.Not.EquivalentTo(before.Select(b => b.Physical)));
        group.AssertPoints();
    }

    [Test]
    public void Append_LargeWrite_IsSharedByJournalAndLiveImageWhereAskedFor()
    {
        using var group = NewGroup();
        group.Append(group.Write(512 * KiB, (192 * KiB) + 512, 2), group.Bookmark("a"));
        Assert.That(group.Journal.Counters.AppliedBytesShared, Is.EqualTo(sharesNew ? 192 * KiB : 0));
        Assert.That(LiveBlocks(group, 512 * KiB, 192 * KiB).Count(b => b.IsShared), Is.EqualTo(sharesNew ? 192 * KiB / Block : 0));
        // A small write takes one block of it away, for itself alone.
        group.Append(group.Write(576 * KiB, 512, 3), group.Bookmark("b"));
        Assert.That(LiveBlocks(group, 512 * KiB, 192 * KiB).Count(b => b.IsShared), Is.EqualTo(sharesNew ? (192 * KiB / Block) - 1 : 0));
        group.AssertPoints();
    }

    [Test]
    public async Task Points_OfAWorkloadWithRetirement_AreRightScrubbedAndReadByAnIndependentReader()
    {
        using var group = NewGroup();
        var workload = new SharingWorkload(11);
        for (var i = 0; i < 60; i++) workload.Append(group);
        var counters = group.Journal.Counters;
        Assert.That(new[] { counters.UndoBytesShared, counters.SegmentsRecycled, counters.HandDowns }, Has.All.GreaterThan(0));
        Assert.That(counters.AppliedBytesShared > 0, Is.EqualTo(sharesNew));
        group.AssertPoints();
        group.Reopen();
        group.AssertPoints();
        Assert.That((await GroupScrub.RunAsync(group.Store, new ScrubOptions(), CancellationToken.None)).Damage, Is.Empty);
        for (var i = 0; i < 10; i++) workload.Append(group);
        Assert.That((await GroupScrub.RunAsync(group.Store, new ScrubOptions(), CancellationToken.None)).Damage, Is.Empty, "the digests of what was shared since are gone");

        ExternalTool.RequireModule("msgpack");
        var points = group.Journal.Points.Select(p => p.Sequence).ToList();
        foreach (var point in new[] { points[0], points[points.Count / 2], points[^1] })
        {
            var (status, output, error) = ExternalTool.Try(ExternalTool.Python, Path.Combine(TestContext.CurrentContext.TestDirectory, "Format", "IndependentReader.py"), Root, "sda", $"{point}");
            Assert.That(status, Is.Zero, error);
            Assert.That(output.Split(' ')[0], Is.EqualTo(Convert.ToHexStringLower(SHA256.HashData(group.History[point]))), $"at {point}");
        }
    }

    [Test]
    public void Open_AfterTheMachineStopped_HasEverythingAcknowledged([Values(1, 2)] int seed)
    {
        ulong acknowledged = 0;
        using var group = NewGroup();
        var workload = new SharingWorkload(seed);
        for (var i = 0; i < 20 + seed; i++) acknowledged = workload.Append(group);
        volume.KeepDevice();
        group.Store.Dispose();
        volume.LosePower();
        using var opened = group.Open(isReadOnly: false);
        Assert.That(opened.Journal.Position.Durable, Is.EqualTo(acknowledged));
        Assert.That(opened.Journal.Counters.RecordsRedone, Is.GreaterThan(0));
        group.AssertPoints(opened);
        AssertLive(opened, group.History[acknowledged]);
    }

    [Test]
    public void Open_AfterKill9_HasEverythingAcknowledged([Values(1, 2)] int seed)
    {
        var acknowledged = KilledAppender.RunAndKill(Root, seed, sharesNew, 10 * seed);
        using var reference = new TestGroup(KilledAppender.Options(sharesNew));
        SharingWorkload.Begin(reference);
        using var opened = GroupStore.Open(new HostDirectory(Root), reference.Settings, 2, isReadOnly: false);
        var durable = opened.Journal.Position.Durable;
        Assert.That(durable, Is.GreaterThanOrEqualTo(acknowledged));
        for (var workload = new SharingWorkload(seed); reference.Journal.Position.Durable < durable;) workload.Append(reference);
        reference.AssertPoints(opened);
        AssertLive(opened, reference.History[durable]);
    }

    [Test]
    public void Append_VolumeIsFull_IsRefusedWholeAndGoesOnAfterwards()
    {
        using var group = NewGroup(new JournalOptions { SegmentBytes = 1 << 20, CheckpointBytes = 2 << 20, ShareNewContents = sharesNew });
        var workload = new SharingWorkload(5);
        volume.FillUp(left: 40 << 20);
        using (new Journal.Views.GroupView(group.Store, group.Journal.Points[0], givesWay: false))
        {
            // As a rewind's, the view holds every segment, so nothing may be retired.
            Assert.That(() => Repeat(1000, () => workload.Append(group)), Throws.InstanceOf<JournalFullException>());
            Assert.That(group.Journal.Counters.UndoBytesShared, Is.GreaterThan(0));
            group.AssertPoints();
        }

        Assert.That(group.Journal.IsFailed, Is.False);
        var sequence = group.Journal.Position.Durable;
        group.Reopen();
        Assert.That(group.Journal.Position.Durable, Is.EqualTo(sequence));
        AssertLive(group.Store, group.History[sequence]);
        group.AssertPoints();
        workload.Append(group);
        group.AssertPoints();
        Assert.That(group.Journal.Counters.SegmentsRetired, Is.GreaterThan(0));
    }

    private TestGroup NewGroup(JournalOptions? options = null)
    {
        var group = new TestGroup(options ?? KilledAppender.Options(sharesNew), new HostDirectory(Root));
        SharingWorkload.Begin(group);
        return group;
    }

    private List<(long Physical, bool IsShared)> LiveBlocks(TestGroup group, long offset, int length)
    {
        var blocks = LoopVolume.Blocks(LiveFile);
        var first = (group.Store.Images[1].HostOffset + offset) / Block;
        return [.. Enumerable.Range(0, length / Block).Select(i => blocks[first + i])];
    }

    private static void Repeat(int times, Action action)
    {
        for (var i = 0; i < times; i++) action();
    }

    private static void AssertLive(GroupStore store, byte[] expected)
    {
        var found = new byte[TestGroup.DiskBytes];
        store.Live[1].Read(0, found);
        Assert.That(found.AsSpan().SequenceEqual(expected), Is.True, "the live image");
    }
}
