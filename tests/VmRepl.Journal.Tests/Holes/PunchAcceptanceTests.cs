using System.Security.Cryptography;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Journal.Points;
using VmRepl.Journal.Rewind;
using VmRepl.Journal.Store;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Tests.Holes;

/// <summary>
/// Mechanism 6: a disk of 1 GiB of which a quarter is allocated; half of it is punched, part of the hole written, punched again; taken back over each step.
/// On the host's files: contents, allocation and memory are those of the real thing.
/// </summary>
public class PunchAcceptanceTests
{
    private const long MiB = 1 << 20, DiskBytes = 1024 * MiB, PunchAt = 256 * MiB, PunchBytes = 512 * MiB;

    private readonly string root = Directory.CreateTempSubdirectory("vmrepl-punch-").FullName;
    private readonly StoreSettings settings = new() { NewGuid = Guid.NewGuid, Journal = new JournalOptions { FreeBytesMin = 0, AgeMax = TimeSpan.FromDays(36_500) } };
    private ulong sequence;

    [TearDown]
    public void Remove() => Directory.Delete(root, recursive: true);

    [Test]
    public void Punch_HalfOfADiskWrittenIntoAndPunchedAgain_EachStepGoesBackWithItsHoles()
    {
        using var group = NewGroup(new HostDirectory(root), DiskBytes);
        // One MiB in four, at every place of it: the borders of the punch fall on data and on holes.
        for (long i = 0; i < DiskBytes / MiB; i += 4) Baseline(group, (i + (i / 16 % 4)) * MiB, (byte)(1 + (i % 251)));
        Append(group, Make(RecordKind.ResyncBegin), Make(RecordKind.ResyncEnd));
        var steps = new List<(RecoveryPoint Point, string Contents, long Data)> { Observe(group) };
        Assert.That(steps[0].Data, Is.EqualTo(DiskBytes / 4));

        var allocatedBefore = GC.GetAllocatedBytesForCurrentThread();
        Append(group, Make(RecordKind.Punch, PunchAt, PunchBytes), Bookmark("punched"));
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - allocatedBefore, Is.LessThan(64 * MiB), "all memory taken meanwhile, so the most at any moment is below it");
        steps.Add(Observe(group));
        Assert.That(group.Journal.Counters.UndoBytes, Is.EqualTo(steps[0].Data - steps[1].Data), "old contents are kept of what was freed, and of nothing else");

        Append(group, [.. Enumerable.Range(0, 40).Select(i => Make(RecordKind.Write, PunchAt + (i * 5 * MiB) + 512, MiB, 0xAB)), Bookmark("written")]);
        steps.Add(Observe(group));
        Append(group, Make(RecordKind.Punch, PunchAt + MiB, PunchBytes / 4), Bookmark("again"));
        steps.Add(Observe(group));
        Assert.That(group.Journal.Counters.UndoBytes, Is.EqualTo(steps[0].Data - steps[1].Data), "the hole that was written was undone by a hole");

        // Over each step back, then all the way forward and back in one.
        foreach (var target in new[] { 2, 1, 0, 3, 0 })
        {
            using (var rewind = GroupRewind.Begin(group, steps[target].Point)) sequence = rewind.Run(null, CancellationToken.None).Sequence;
            var (_, contents, data) = Observe(group);
            Assert.That((contents, data), Is.EqualTo((steps[target].Contents, steps[target].Data)), $"taken back to step {target}");
        }
    }

    /// <summary>What was written into a hole is taken back by punches that need no undo: a hole larger than the room that is left is none of its business.</summary>
    [Test]
    public void Rewind_OverAHoleLargerThanTheRoomLeft_GoesBackToTheHole()
    {
        const long written = 12 * MiB;
        var small = settings with { Journal = settings.Journal with { SegmentBytes = 2 << 20, CapacityBytes = 24 * MiB } };
        using var group = GroupStore.Create(new HostDirectory(root).Directory("g"), new GroupDescription("g", Guid.Empty, 1, [new DiskDescription(1, "sda", 64 * MiB, 512, "raw")]), small, 1);
        Append(group, Make(RecordKind.ResyncBegin), Make(RecordKind.ResyncEnd));
        var (empty, contents, none) = Observe(group);
        Assert.That(none, Is.Zero);
        for (long at = 0; at < written; at += MiB / 2) Append(group, Make(RecordKind.Write, at, MiB / 2, 0xAB));
        Append(group, Bookmark("written"));
        var full = Observe(group);
        Assert.That(full.Data, Is.EqualTo(written));
        Assert.That(group.Journal.SegmentBytes, Is.GreaterThan(24 * MiB - written), "what is left is less than the hole");
        using (var rewind = GroupRewind.Begin(group, empty)) sequence = rewind.Run(null, CancellationToken.None).Sequence;
        Assert.That((Observe(group).Contents, Observe(group).Data), Is.EqualTo((contents, 0L)));
        Assert.That(group.Journal.Points, Does.Contain(empty).And.Contain(full.Point), "nothing was retired for it");
    }

    [Test]
    public void Punch_VolumeWithoutHoles_ContentsAreEqual()
    {
        const long disk = 8 * MiB;
        using var group = NewGroup(new HolelessDirectory(new HostDirectory(root)), disk);
        Baseline(group, MiB, 1);
        Append(group, Make(RecordKind.ResyncBegin), Make(RecordKind.ResyncEnd));
        var steps = new List<(RecoveryPoint Point, string Contents, long Data)> { Observe(group) };
        Append(group, Make(RecordKind.Punch, MiB / 2, 4 * MiB), Bookmark("punched"));
        steps.Add(Observe(group));
        Append(group, Make(RecordKind.Write, MiB, MiB, 2), Bookmark("written"));
        steps.Add(Observe(group));
        Append(group, Make(RecordKind.Punch, 512, 3 * MiB), Bookmark("again"));
        steps.Add(Observe(group));
        Assert.That(steps.Select(s => s.Contents).Distinct().Count(), Is.EqualTo(3), "step 1 and step 3 read as zeros");
        foreach (var target in new[] { 2, 1, 0, 2, 3 })
        {
            using (var rewind = GroupRewind.Begin(group, steps[target].Point)) sequence = rewind.Run(null, CancellationToken.None).Sequence;
            Assert.That(Observe(group).Contents, Is.EqualTo(steps[target].Contents), $"taken back to step {target}");
        }
    }

    private GroupStore NewGroup(IHostDirectory directory, long length) =>
        GroupStore.Create(directory.Directory("g"), new GroupDescription("g", Guid.Empty, 1, [new DiskDescription(1, "sda", length, 512, "raw")]), settings, 1);

    private static void Baseline(GroupStore group, long offset, byte fill) =>
        group.ApplyBaseline([Record.Create(new RecordHeader { Kind = RecordKind.Write, Sequence = 1, Disk = 1, Offset = offset, Length = MiB }, Enumerable.Repeat(fill, (int)MiB).ToArray())]);

    private Record Make(RecordKind kind, long offset = 0, long length = 0, byte fill = 0) => Record.Create(
        new RecordHeader { Kind = kind, Sequence = ++sequence, TimeUs = (long)sequence, Epoch = 1, Disk = length > 0 ? 1u : 0, Offset = offset, Length = length },
        kind == RecordKind.Write ? Enumerable.Repeat(fill, (int)length).ToArray() : []);

    private Record Bookmark(string name) => Record.Create(
        new RecordHeader { Kind = RecordKind.Bookmark, Sequence = ++sequence, TimeUs = (long)sequence, Epoch = 1, Attributes = new Dictionary<string, string> { [RecordAttribute.Name] = name } }, default);

    private static void Append(GroupStore group, params Record[] records) => group.Append(records);

    /// <summary>The newest point, the digest of all that the live image holds, and how much of it is allocated.</summary>
    private static (RecoveryPoint Point, string Contents, long Data) Observe(GroupStore group)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var live = group.Live[1];
        long data = 0;
        var buffer = new byte[MiB];
        for (long at = 0; at < live.Length; at += MiB)
        {
            var allocated = live.Map(at, MiB).Where(r => r.HasData).Sum(r => r.Length);
            data += allocated;
            live.Read(at, buffer);
            // Zeros are said in one byte: a digest of a gigabyte of them would be most of the test.
            if (Sectors.IsZero(buffer)) hash.AppendData([0]);
            else hash.AppendData(buffer);
        }

        return (group.Journal.Points[^1], Convert.ToHexString(hash.GetHashAndReset()), data);
    }
}
