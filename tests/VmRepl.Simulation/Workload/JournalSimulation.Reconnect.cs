using System.Runtime.InteropServices;
using VmRepl.Blocks;
using VmRepl.Journal;
using VmRepl.Journal.Points;
using VmRepl.Journal.Store;
using VmRepl.Protocol.Records;
using static VmRepl.Simulation.Workload.GroupChecker;

namespace VmRepl.Simulation.Workload;

/// <content>
/// A volume that acknowledged flushes and lost them: the store opens with a prefix of what it acknowledged, without a gap, or names the damage. The source knows of more, finds that out when it
/// connects, compares everything and sends what differs in a round; the points before stay what they were.
/// <para>Where the whole cache was lost, the volume is as it was at some earlier moment, and everything is checked. Where some of it survived (<see cref="isUntrusted"/>), live images may be ahead of the
/// journal, which nothing but the comparison can mend: checked are the journal's prefix, its points, and the point that the round makes, which is right or refuses to be read.</para>
/// </content>
public sealed partial class JournalSimulation
{
    private const int PieceSectors = 256;

    // What the source has and the replica lost; null while they agree.
    private SourceState? owed;
    private bool isUntrusted;

    private void SettleLostFlushes(SourceState? source)
    {
        if (!flushesAreLost) return;
        flushesAreLost = false;
        Counters.Add(SimulationCounters.LostFlushes);
        isUntrusted = volume.SomeSurviveLostFlushes;
        if (source is null)
        {
            // Nothing of the journal was lost, or nothing that was acknowledged, and the source has no reason to look.
            isOver = isUntrusted;
            return;
        }

        Counters.Add(SimulationCounters.FoundBehind);
        // Without a baseline there is nothing to compare with: it is done again.
        owed = baselineIsDone ? source : null;
        if (owed is null) isOver = isUntrusted;
    }

    private void Reconnect()
    {
        resend = [];
        isRewinding = false;
        try
        {
            SendWhatIsOwed(owed!);
        }
        catch (JournalDamagedException) when (isUntrusted)
        {
            Counters.Add(SimulationCounters.LostFlushesNamed);
            isOver = true;
            return;
        }

        CheckReconnected(owed!);
        Counters.Add(SimulationCounters.Reconnects);
        owed = null;
        isOver = isUntrusted;
    }

    private void SendWhatIsOwed(SourceState source)
    {
        var batch = new List<Record> { maker.Fact(RecordKind.ResyncBegin) };
        // Where the live images may be ahead of the journal, they alone are not enough to compare with: a sector may be right there, and its newest record an older one. The newest record may lie
        // behind the newest point, in a round that was cut (seed 1429).
        using var newest = isUntrusted ? group!.OpenView(new RecoveryPoint(group.Journal.Position.Durable, 0, null, RecoveryPoint.Crash)) : null;
        foreach (var (id, live) in group!.Live)
        {
            foreach (var (first, count) in Differing(source.Contents[id - 1], [Contents(live), .. newest is null ? [] : new[] { Contents(newest.Disks[id]) }]))
            {
                batch.Add(maker.Contents(id, (long)first * RecordMaker.SectorBytes, RecordMaker.Payload(source.Contents[id - 1].AsSpan(first, count))));
                if (batch.Count < 8) continue;
                Send(batch);
                batch = [];
            }
        }

        var metadata = group.Journal.MetadataAt(group.Journal.Position.Durable);
        foreach (var key in metadata.Keys.Union(source.Metadata.Keys).Order(StringComparer.Ordinal))
        {
            var value = source.Metadata.GetValueOrDefault(key) ?? [];
            if (!value.AsSpan().SequenceEqual(metadata.GetValueOrDefault(key))) batch.Add(maker.Metadata(key, value));
        }

        batch.Add(maker.Fact(RecordKind.ResyncEnd));
        Send(batch);
    }

    private void CheckReconnected(SourceState source)
    {
        CheckLive(group!, source.Contents, "after the reconnect");
        var point = group!.Journal.Points[^1];
        Require(point.Sequence == acknowledged, $"the round ended at {acknowledged}, and the newest point is {point.Sequence}");
        try
        {
            using var view = group.OpenView(point);
            foreach (var (id, disk) in view.Disks) Compare(disk, source.Contents[id - 1], $"disk {id} at {point.Sequence}, after the reconnect");
            CheckMetadata(source.Metadata, view.Metadata, "metadata after the reconnect");
        }
        catch (JournalDamagedException) when (isUntrusted)
        {
            Counters.Add(SimulationCounters.LostFlushesNamed);
        }
    }

    /// <summary>Runs of sectors that are not what they should be, in pieces.</summary>
    private static IEnumerable<(int First, int Count)> Differing(ulong[] expected, IReadOnlyList<byte[]> found)
    {
        for (var sector = 0; sector < expected.Length;)
        {
            var first = sector;
            while (sector < expected.Length && sector - first < PieceSectors && Differs(sector)) sector++;
            if (sector > first) yield return (first, sector - first);
            else sector++;
        }

        bool Differs(int sector) => found.Any(f => MemoryMarshal.Cast<byte, ulong>(f.AsSpan(sector * RecordMaker.SectorBytes, RecordMaker.SectorBytes)).ContainsAnyExcept(expected[sector]));
    }

    private static byte[] Contents(IBlockDevice disk)
    {
        var contents = new byte[disk.Length];
        disk.Read(0, contents);
        return contents;
    }
}
