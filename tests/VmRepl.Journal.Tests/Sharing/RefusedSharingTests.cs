using VmRepl.Blocks.Files;

namespace VmRepl.Journal.Tests.Sharing;

public class RefusedSharingTests
{
    private const int KiB = 1024;

    private static readonly JournalOptions Options = new() { SegmentBytes = 1 << 20, FreeBytesMin = 0, ShareNewContents = true };

    [Test]
    public void Append_VolumeRefusesOnce_CopiesFromThenOn()
    {
        using var group = new TestGroup(Options);
        SharingWorkload.Begin(group);
        group.Append(group.Write(0, 64 * KiB, 1), group.Bookmark("a"));
        Assert.That((group.Journal.Counters.UndoBytesShared, group.Journal.Counters.AppliedBytesShared), Is.EqualTo((64 * KiB, 64 * KiB)));
        group.Volume.SharesExtents = false;
        group.Append(group.Write(64 * KiB, 128 * KiB, 2), group.Bookmark("b"));
        group.Volume.SharesExtents = true;
        group.Append(group.Write(256 * KiB, 128 * KiB, 3), group.Bookmark("c"));
        Assert.That((group.Journal.Counters.UndoBytesShared, group.Journal.Counters.AppliedBytesShared), Is.EqualTo((64 * KiB, 64 * KiB)));
        group.AssertPoints();
        group.Reopen();
        group.AssertPoints();
        // An opening asks anew.
        group.Append(group.Write(384 * KiB, 64 * KiB, 4), group.Bookmark("d"));
        Assert.That(group.Journal.Counters.UndoBytesShared, Is.EqualTo(64 * KiB));
        group.AssertPoints();
    }

    [Test]
    public void Append_BelowTheSizeOrTurnedOff_SharesNothing()
    {
        using var small = new TestGroup(Options);
        SharingWorkload.Begin(small);
        small.Append(small.Write(0, 60 * KiB, 1), small.Write(128 * KiB, (68 * KiB) - 512, 2), small.Write((256 * KiB) + 512, (64 * KiB) + 3584, 3), small.Bookmark("a"));
        Assert.That((small.Journal.Counters.UndoBytesShared, small.Journal.Counters.AppliedBytesShared), Is.EqualTo((128 * KiB, 64 * KiB)), "whole blocks between the ends only");
        small.AssertPoints();

        using var off = new TestGroup(Options with { ShareOldContents = false, ShareNewContents = false });
        SharingWorkload.Begin(off);
        off.Append(off.Write(0, 256 * KiB, 1), off.Bookmark("a"));
        Assert.That((off.Journal.Counters.UndoBytesShared, off.Journal.Counters.AppliedBytesShared), Is.EqualTo((0, 0)));
        off.AssertPoints();
    }

    [Test]
    public void Append_VolumeWithoutSharedExtents_CopiesAndEveryPointIsRight()
    {
        using var volume = new LoopVolume("ext4");
        using var group = new TestGroup(Options, new HostDirectory(Path.Combine(volume.Path, "g")));
        SharingWorkload.Begin(group);
        for (var (i, workload) = (0, new SharingWorkload(3)); i < 10; i++) workload.Append(group);
        Assert.That((group.Journal.Counters.UndoBytesShared, group.Journal.Counters.AppliedBytesShared), Is.EqualTo((0, 0)));
        Assert.That(group.Journal.Counters.UndoBytes, Is.GreaterThan(0));
        group.AssertPoints();
    }
}
