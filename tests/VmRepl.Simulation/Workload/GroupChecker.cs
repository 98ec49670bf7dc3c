using System.Runtime.InteropServices;
using VmRepl.Blocks;
using VmRepl.Journal;
using VmRepl.Journal.Points;
using VmRepl.Journal.Store;
using VmRepl.Journal.Views;

namespace VmRepl.Simulation.Workload;

/// <summary>
/// Compares a group with the oracle. Checked: the points offered and their names, contents, holes and metadata at points, the live images.
/// Not checked: how much space a journal takes.
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
        var expected = oracle.Points().Where(p => p.Sequence >= start).ToList();
        var runs = oracle.Runs(start);
        // The start of the range is a point of its own where it lies in a run.
        if (oracle.Runs(0).Any(r => r.Contains(start)) && !expected.Exists(p => p.Sequence == start)) expected.Insert(0, (start, ""));
        var found = group.Journal.Points;
        if (!found.Select(p => (p.Sequence, p.Bookmark ?? "")).SequenceEqual(expected))
            throw new SimulationFailureException($"points from {start} on: expected [{string.Join(", ", expected)}], found [{string.Join(", ", found.Select(p => (p.Sequence, p.Bookmark)))}]");
        foreach (var point in found) Require(point.TimeUs == oracle.TimeOf(point.Sequence), $"point {point.Sequence} is of {oracle.TimeOf(point.Sequence)} us, and {point.TimeUs} is said");
        Require(group.Journal.Runs.SequenceEqual(runs), $"runs from {start} on: expected [{string.Join(", ", runs)}], found [{string.Join(", ", group.Journal.Runs)}]");
        var newest = Math.Max(expected.Count > 0 ? expected[^1].Sequence : 0, runs.Count > 0 ? runs[^1].LastSequence : 0);
        Require((group.Journal.NewestPoint?.Sequence ?? 0) == newest, $"the newest point is {newest}, and {group.Journal.NewestPoint} is said");
    }

    public static void CheckLive(GroupStore group, Oracle oracle)
    {
        var position = group.Journal.Position;
        Require(position.Applied == position.Durable, $"applied {position.Applied}, durable {position.Durable}");
        CheckLive(group, oracle.Contents(position.Applied), $"at {position.Applied}");
    }

    public static void CheckLive(GroupStore group, ulong[][] expected, string when)
    {
        foreach (var (id, live) in group.Live) Compare(live, expected[id - 1], $"live image of disk {id} {when}");
    }

    /// <summary>Everything of a view against the oracle.</summary>
    public static void CheckView(GroupView view, Oracle oracle, SimulationCounters counters)
    {
        var point = view.Point.Sequence;
        var expected = oracle.Contents(point);
        foreach (var (id, disk) in view.Disks)
        {
            Compare(disk, expected[id - 1], $"disk {id} at {point}");
            CheckMap(disk, expected[id - 1], () => oracle.Holes(point)[id - 1], $"map of disk {id} at {point}", counters);
        }

        CheckMetadata(oracle.Metadata(point), view.Metadata, $"metadata at {point}");
        counters.Add(SimulationCounters.PointsChecked);
    }

    public static void CheckMetadata(IReadOnlyDictionary<string, byte[]> expected, IReadOnlyDictionary<string, byte[]> found, string what)
    {
        Require(expected.Keys.Order().SequenceEqual(found.Keys.Order()), $"{what}: expected [{string.Join(' ', expected.Keys.Order())}], found [{string.Join(' ', found.Keys.Order())}]");
        foreach (var (key, value) in expected) Require(value.AsSpan().SequenceEqual(found[key]), $"{what}: {key} has another value");
    }

    /// <summary>Whether a point cannot be had, or is wrong.</summary>
    public static bool IsSpoiled(GroupStore group, RecoveryPoint point, Oracle oracle)
    {
        try
        {
            using var view = group.OpenView(point);
            CheckView(view, oracle, new SimulationCounters());
            return false;
        }
        catch (Exception e) when (e is SimulationFailureException or JournalDamagedException)
        {
            return true;
        }
    }

    /// <summary>All of a disk against the stamps of its sectors.</summary>
    public static void Compare(IBlockDevice disk, ReadOnlySpan<ulong> expected, string what) => ComparePart(disk, new Extent(0, disk.Length), expected, what);

    /// <summary>A part of a disk, whole sectors of it, against the stamps of all its sectors; read at once.</summary>
    public static void ComparePart(IBlockDevice disk, Extent part, ReadOnlySpan<ulong> expected, string what)
    {
        using var buffer = PooledBuffer.Rent((int)part.Length);
        var found = buffer.Span;
        // What was there before must not pass for what was read.
        found.Fill(0xEE);
        disk.Read(part.Offset, found);
        var words = MemoryMarshal.Cast<byte, ulong>(found);
        for (var sector = (int)(part.Offset / Sectors.Size); sector < part.End / Sectors.Size; sector++, words = words[(Sectors.Size / sizeof(ulong))..])
        {
            var here = words[..(Sectors.Size / sizeof(ulong))];
            if (!here.ContainsAnyExcept(expected[sector])) continue;
            throw new SimulationFailureException($"{what}: sector {sector} differs: expected {Stamp(expected[sector])}, found {Stamp(here[Math.Max(0, here.IndexOfAnyExcept(expected[sector]))])}");
        }
    }

    private static string Stamp(ulong word) => Convert.ToHexString(BitConverter.GetBytes(word));

    private static void CheckMap(PointInTimeView disk, ReadOnlySpan<ulong> contents, Func<bool[]> findHoles, string what, SimulationCounters counters)
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
                Require(!contents[(int)(run.Offset / Sectors.Size)..(int)(run.End / Sectors.Size)].ContainsAnyExcept(0UL), $"{what}: {run.Extent} is said to be {run.State} and holds data");
                continue;
            }

            for (var block = run.Offset / Oracle.BlockBytes; block * Oracle.BlockBytes < run.End; block++)
                Require(!holes[block], $"{what}: block {block} is a hole and is said to be data");
        }

        Require(at == disk.Length, $"{what}: ends at {at} of {disk.Length}");
        counters.Add(SimulationCounters.HolesChecked, holes.Count(h => h));
    }
}
