using VmRepl.Blocks;
using VmRepl.Journal.Store;
using VmRepl.Journal.Views;

namespace VmRepl.Simulation.Workload;

/// <summary>
/// Compares a group with the oracle. Checked: the points offered and their names, contents, holes and metadata at points, the live images.
/// Not checked: how much space a journal takes, times of points.
/// </summary>
internal static class GroupChecker
{
    public static void Require(bool holds, string otherwise)
    {
        if (!holds) throw new SimulationFailureException(otherwise);
    }

    /// <summary>No point outside the range is offered, none inside is missing.</summary>
    public static void CheckPoints(GroupStore group, Oracle oracle)
    {
        var start = group.Journal.Position.Start;
        var expected = string.Join(", ", oracle.Points().Where(p => p.Sequence >= start).Select(p => $"{p.Sequence} {p.Name}"));
        var found = string.Join(", ", group.Journal.Points.Select(p => $"{p.Sequence} {p.Bookmark}"));
        Require(expected == found, $"points from {start} on: expected [{expected}], found [{found}]");
    }

    public static void CheckLive(GroupStore group, Oracle oracle)
    {
        var position = group.Journal.Position;
        Require(position.Applied == position.Durable, $"applied {position.Applied}, durable {position.Durable}");
        var expected = oracle.Contents(position.Applied);
        foreach (var (id, live) in group.Live)
        {
            var found = new byte[live.Length];
            live.Read(0, found);
            Compare(expected[id - 1], found, 0, $"live image of disk {id} at {position.Applied}");
        }
    }

    /// <summary>Everything of a view against the oracle.</summary>
    public static void CheckView(GroupView view, Oracle oracle, SimulationCounters counters)
    {
        var point = view.Point.Sequence;
        var expected = oracle.Contents(point);
        foreach (var (id, disk) in view.Disks)
        {
            var found = new byte[disk.Length];
            disk.Read(0, found);
            Compare(expected[id - 1], found, 0, $"disk {id} at {point}");
            CheckMap(disk, expected[id - 1], () => oracle.Holes(point)[id - 1], $"map of disk {id} at {point}", counters);
        }

        var metadata = oracle.Metadata(point);
        Require(metadata.Keys.Order().SequenceEqual(view.Metadata.Keys.Order()),
            $"metadata at {point}: expected [{string.Join(' ', metadata.Keys.Order())}], found [{string.Join(' ', view.Metadata.Keys.Order())}]");
        foreach (var (key, value) in metadata) Require(value.AsSpan().SequenceEqual(view.Metadata[key]), $"metadata at {point}: {key} has another value");
        counters.Add(SimulationCounters.PointsChecked);
    }

    public static void Compare(ReadOnlySpan<byte> expected, ReadOnlySpan<byte> found, long offset, string what)
    {
        var same = expected.CommonPrefixLength(found);
        if (same == expected.Length && same == found.Length) return;
        var at = offset + same;
        throw new SimulationFailureException($"{what}: sector {at / Sectors.Size} differs: expected {Stamp(expected[same..])}, found {Stamp(found[same..])}");
    }

    private static string Stamp(ReadOnlySpan<byte> bytes) => Convert.ToHexString(bytes[..Math.Min(8, bytes.Length)]);

    private static void CheckMap(PointInTimeView disk, byte[] contents, Func<bool[]> findHoles, string what, SimulationCounters counters)
    {
        long at = 0;
        var runs = disk.Map(0, disk.Length).ToList();
        // Asked only now: what was appended while the disk was read may touch a part of a block.
        var holes = findHoles();
        foreach (var run in runs)
        {
            Require(run.Offset == at && run.Length > 0, $"{what}: a run at {run.Offset} where one at {at} is due");
            at = run.End;
            if (!run.HasData)
            {
                Require(Sectors.IsZero(contents.AsSpan((int)run.Offset, (int)run.Length)), $"{what}: {run.Extent} is said to be {run.State} and holds data");
                continue;
            }

            for (var block = run.Offset / Oracle.BlockBytes; block * Oracle.BlockBytes < run.End; block++)
                Require(!holes[block], $"{what}: block {block} is a hole and is said to be data");
        }

        Require(at == disk.Length, $"{what}: ends at {at} of {disk.Length}");
        counters.Add(SimulationCounters.HolesChecked, holes.Count(h => h));
    }
}
