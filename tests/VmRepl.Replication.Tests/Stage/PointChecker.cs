using System.Globalization;
using VmRepl.Blocks;
using VmRepl.Journal;
using VmRepl.Journal.Index;
using VmRepl.Journal.Points;
using VmRepl.Journal.Segments;
using VmRepl.Journal.Store;
using VmRepl.Protocol.Records;

namespace VmRepl.Replication.Tests.Stage;

/// <summary>What must hold of a store after any session: every point as the source was, and a journal without a number used twice or a gap that nobody named.</summary>
internal static class PointChecker
{
    /// <summary>Compares every point, through views, with what the source held.</summary>
    public static void CheckViews(ReplicaStore store, ProtectedVm vm)
    {
        var group = store.Get(vm.Definition.Name);
        Assert.That(group.Journal.Points.Select(p => p.Sequence).Distinct(), Is.EqualTo(vm.Points.Select(p => p.Sequence)));
        foreach (var (sequence, disks) in vm.Points)
        {
            using var view = group.OpenView(group.FindPoint(sequence.ToString(CultureInfo.InvariantCulture)));
            for (var i = 0; i < disks.Length; i++) RequireSame(Read(view.Disks[vm.Disks[i].Disk.Id]), disks[i], $"disk {i} at {sequence}");
        }

        var newest = vm.Points[^1].Disks;
        for (var i = 0; i < newest.Length; i++) RequireSame(Read(group.Live[vm.Disks[i].Disk.Id]), newest[i], $"live image {i}");
    }

    /// <summary>
    /// Reads the journal's records and replays them without any of the index, the undo or the views: the contents of the first point, and each record after it.
    /// Nothing may be appended meanwhile.
    /// </summary>
    public static void CheckJournal(TestDirectory directory, string store, ProtectedVm vm)
    {
        var handles = new SegmentHandles();
        var records = new List<StoredRecord>();
        var recovery = JournalRecovery.Read(
            directory.Host(Path.Combine(store, "groups", vm.Definition.Name, "journal")), isReadOnly: true, covered: [], handles, (commit, _) => records.AddRange(commit.Stored));
        try
        {
            byte[][] disks = [.. vm.Points[0].Disks.Select(d => (byte[])d.Clone())];
            ulong last = 0;
            var points = 0;
            var isBaseline = true;
            foreach (var record in records.Where(r => r.Sequence != 0))
            {
                var header = record.Header;
                // A baseline's contents have numbers and no records.
                if (!isBaseline) RequireNamed(header, last);
                Assert.That(header.Sequence, Is.GreaterThan(last), "a sequence came twice");
                last = header.Sequence;
                if (header.Kind is RecordKind.Write or RecordKind.Zero or RecordKind.Punch)
                {
                    var target = disks[(int)header.Disk - 1].AsSpan((int)header.Offset, (int)header.Length);
                    if (header.Kind == RecordKind.Write) recovery.Segments.First(s => s.Serial == record.Place.Serial).ReadPayload(record.Ref).CopyTo(target);
                    else target.Clear();
                }

                if (header.Kind != RecordKind.ResyncEnd) continue;
                isBaseline = false;
                Assert.That(header.Sequence, Is.EqualTo(vm.Points[points].Sequence));
                for (var i = 0; i < disks.Length; i++) RequireSame(disks[i], vm.Points[points].Disks[i], $"replay of disk {i} at {header.Sequence}");
                points++;
            }

            Assert.That(points, Is.EqualTo(vm.Points.Count));
        }
        finally
        {
            foreach (var segment in recovery.Segments) segment.Dispose();
        }
    }

    public static byte[] Read(IBlockDevice device)
    {
        var contents = new byte[device.Length];
        device.Read(0, contents);
        return contents;
    }

    public static void RequireSame(ReadOnlySpan<byte> found, ReadOnlySpan<byte> expected, string what)
    {
        if (found.SequenceEqual(expected)) return;
        Assert.That(found.Length, Is.EqualTo(expected.Length), what);
        Assert.Fail($"{what}: differs at {found.CommonPrefixLength(expected)} of {expected.Length}");
    }

    private static void RequireNamed(RecordHeader header, ulong last)
    {
        if (header.Sequence == last + 1) return;
        Assert.That(header.Attributes, Is.Not.Null, $"{header.Kind} {header.Sequence} came after {last} and names no gap");
        Assert.Multiple(() =>
        {
            Assert.That(header.Attributes!.GetValueOrDefault(RecordAttribute.GapFrom), Is.EqualTo((last + 1).ToString(CultureInfo.InvariantCulture)));
            Assert.That(header.Attributes!.GetValueOrDefault(RecordAttribute.GapTo), Is.EqualTo((header.Sequence - 1).ToString(CultureInfo.InvariantCulture)));
        });
    }
}
