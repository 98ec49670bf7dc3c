using VmRepl.Journal;
using VmRepl.Journal.Scrub;
using VmRepl.Journal.Store;
using VmRepl.Simulation.Storage;
using static VmRepl.Simulation.Workload.GroupChecker;

namespace VmRepl.Simulation.Workload;

/// <content>Scrubs: one of a sound store finds nothing, whatever goes on beside it; one of a damaged store names the damage, and just the points that it spoils.</content>
public sealed partial class JournalSimulation
{
    private const string Journal = "journal", Live = "live";

    private void Scrub()
    {
        // An error of the volume would be damage to a scrub, and rightly.
        volume.FailReadIn = volume.FailWriteIn = volume.FailPunchIn = volume.FailFlushIn = 0;
        volume.FillAt = long.MaxValue;
        var before = acknowledged;
        if (random.Chance(0.5)) volume.BeforeRead = AppendWhileScrubbing;
        CheckClean();
        volume.BeforeRead = null;
        if (acknowledged > before) Counters.Add(SimulationCounters.ScrubsBesideAppends);
        if (random.Chance(0.5)) FlipWhileOpen();
    }

    private void CheckClean()
    {
        var report = GroupScrub.RunAsync(group!, new ScrubOptions { Time = clock }, CancellationToken.None).GetAwaiter().GetResult();
        // A digest file that could not be read when the group was opened is told of once, and taken anew.
        var damage = report.Damage.Where(d => !d.Where.Contains("(simulated)", StringComparison.Ordinal)).ToList();
        Require(damage.Count == 0, $"nothing is damaged, and a scrub says: {string.Join("; ", damage.Select(d => $"{d.Disk} {d.FirstSector}+{d.SectorCount}: {d.Where}"))}");
        Counters.Add(SimulationCounters.Scrubs);
    }

    /// <summary>Others append between the reads of a scrub: at segments and images, which are read without a lock.</summary>
    private void AppendWhileScrubbing(string path)
    {
        if (!(path.EndsWith(".vrj", StringComparison.Ordinal) || path.EndsWith(".vhdx", StringComparison.Ordinal)) || !random.Chance(0.05)) return;
        volume.BeforeRead = null;
        try
        {
            AppendBatch();
        }
        catch (JournalFullException)
        {
            Counters.Add(SimulationCounters.JournalFull);
        }

        volume.BeforeRead = AppendWhileScrubbing;
    }

    /// <summary>A payload of a running journal changes at rest; the running journal has the rest in memory.</summary>
    private void FlipWhileOpen()
    {
        var journal = (SimulatedDirectory)GroupDirectory.Directory(Journal);
        var places = Segments(journal).SelectMany(s => SegmentPlaces.Find(journal, s)).Where(p => p.Kind is SegmentPlaceKind.Payload or SegmentPlaceKind.HandDown).ToList();
        if (places.Count == 0) return;
        var place = random.Pick(places);
        var (offset, bit) = (place.Offset + random.Between(0, place.Length - 1), (int)random.Between(0, 7));
        if (!journal.IsStored(place.Segment, offset)) return;
        // A crash now would leave the flip there (seed 104090): damage is one story, crashes another.
        volume.CrashAt = long.MaxValue;
        volume.CrashAtFlushIf = null;
        journal.FlipBit(place.Segment, offset, bit);
        Counters.Add(SimulationCounters.BitFlipsWhileOpen);
        var report = GroupScrub.RunAsync(group!, new ScrubOptions { Time = clock }, CancellationToken.None).GetAwaiter().GetResult();
        Require(!report.IsClean || place.Kind == SegmentPlaceKind.HandDown, $"a bit of {place.Segment} at {offset} was flipped, and a scrub found nothing");
        CheckSpoiled(group!, report, $"a bit of {place.Segment} at {offset} was flipped");
        journal.FlipBit(place.Segment, offset, bit);
    }

    /// <summary>The store as it was left by a clean stop: readable, and one flipped bit is found, and spoils what the scrub says it does and nothing else.</summary>
    private void CheckAtRest()
    {
        if (!baselineIsDone) return;
        CheckReadOnly();
        FlipInJournal();
        if (random.Chance(0.5)) FlipInLive();
        else FlipInDigests();
    }

    private void FlipInJournal()
    {
        var journal = (SimulatedDirectory)GroupDirectory.Directory(Journal);
        // Without an index a record of which nothing is left closes the group; whatever says what it said does not, and a single bit is mended.
        if (random.Chance(0.5))
        {
            foreach (var index in journal.ListFiles().Where(n => n.StartsWith("index-", StringComparison.Ordinal))) journal.Delete(index);
        }

        var names = Segments(journal);
        var isAnywhere = random.Chance(0.15);
        var name = random.Pick(names);
        var places = SegmentPlaces.Find(journal, name);
        var place = random.Pick(places);
        // The journal's very last commit is passed over as torn: after a clean stop it is a checkpoint.
        var isLast = name == names[^1] && place.Commit == places[^1].Commit;
        var offset = isAnywhere ? random.Between(0, (1 << 20) - 1) : place.Offset + random.Between(0, place.Length - 1);
        if (!journal.IsStored(name, offset)) return;
        var more = new List<(long, int)>();
        if (!isAnywhere && random.Chance(0.4))
        {
            var end = Math.Min(place.Offset + place.Length, offset + 64) - 1;
            for (var count = random.Between(1, 24); count > 0; count--) more.Add((random.Between(offset, end), (int)random.Between(0, 7)));
            Counters.Add(SimulationCounters.DamageOfSeveralBits);
        }

        CheckFlipped(journal, name, offset, more, mustBeFound: !isAnywhere && !isLast && place.Kind != SegmentPlaceKind.HandDown, mayNotOpen: isAnywhere || isLast);
    }

    /// <summary>A scrub before the stop took every digest, so that whatever is stored of a live image is watched over.</summary>
    private void FlipInLive()
    {
        var live = (SimulatedDirectory)GroupDirectory.Directory(Live);
        var disk = random.Pick(disks);
        // Where the last opening could not note that it keeps digests, there are none to be believed, and nothing watches over the live image (seed 100191).
        using (var readers = ReplicaStore.OpenForReading(StoreDirectory, settings))
        {
            if (!DigestKeeping.AreKept(GroupDirectory, readers.Identity.Incarnation, isReadOnly: true)) return;
        }

        for (var attempt = 0; attempt < 20; attempt++)
        {
            var offset = LivePayloadOffset(live, disk) + random.Between(0, disk.Length - 1);
            if (!live.IsStored(disk.Name + ".vhdx", offset)) continue;
            CheckFlipped(live, disk.Name + ".vhdx", offset, [], mustBeFound: true, mayNotOpen: false);
            Counters.Add(SimulationCounters.BitFlipsInLive);
            return;
        }
    }

    private void FlipInDigests()
    {
        var live = (SimulatedDirectory)GroupDirectory.Directory(Live);
        var name = random.Pick([.. live.ListFiles().Where(n => n.StartsWith("regions-", StringComparison.Ordinal))]);
        var offset = random.Between(0, live.Contents(name).Length - 1);
        if (!live.IsStored(name, offset)) return;
        CheckFlipped(live, name, offset, [], mustBeFound: false, mayNotOpen: false);
    }

    private void CheckFlipped(SimulatedDirectory directory, string name, long offset, List<(long Offset, int Bit)> more, bool mustBeFound, bool mayNotOpen)
    {
        var flips = more.Append((offset, (int)random.Between(0, 7))).Distinct().Where(f => directory.IsStored(name, f.Item1)).ToList();
        var what = $"{flips.Count} bits of {name} at {offset} were flipped";
        Flip();
        Counters.Add(SimulationCounters.BitFlips);
        using (var readers = ReplicaStore.OpenForReading(StoreDirectory, settings))
        {
            var report = readers.ScrubAsync(GroupName, new ScrubOptions { Time = clock }, CancellationToken.None).GetAwaiter().GetResult();
            if (!report.IsClean) Counters.Add(SimulationCounters.BitFlipsNamed);
            Require(!report.IsClean || !mustBeFound, $"{what}, and a scrub found nothing");
            if (readers.Faults.TryGetValue(GroupName, out var fault))
            {
                Require(fault is JournalDamagedException && directory.Path.EndsWith(Journal, StringComparison.Ordinal), $"{what}, and the group does not open: {fault.Message}");
                // A retirement's checkpoint that is the last commit names the first segment; without it a segment is missing.
                Require(mayNotOpen || fault.Message.Contains(name, StringComparison.Ordinal), $"{what}, and this was said: {fault.Message}");
                Require(report.Damage.Any(d => d.Where.Contains(directory.Path, StringComparison.Ordinal)), $"{what}, and the scrub of a group that does not open says: {string.Join("; ", report.Damage.Select(d => d.Where))}");
                Counters.Add(SimulationCounters.BitFlipsThatClose);
            }
            else
            {
                Counters.Add(SimulationCounters.CommitsMended, readers.Get(GroupName).Journal.Counters.CommitsMended);
                CheckSpoiled(readers.Get(GroupName), report, what);
            }
        }

        Flip();

        void Flip()
        {
            foreach (var (at, bit) in flips) directory.FlipBit(name, at, bit);
        }
    }

    /// <summary>The points named are exactly those that cannot be had or are wrong.</summary>
    private void CheckSpoiled(GroupStore store, ScrubReport report, string what)
    {
        CheckPoints(store, oracle);
        var named = report.Damage.SelectMany(d => d.Points).Select(p => p.Sequence).Distinct().Order().ToList();
        var points = store.Journal.Points.DistinctBy(p => p.Sequence).ToList();
        var spoiled = points.Where(p => IsSpoiled(store, p, oracle)).Select(p => p.Sequence).ToList();
        var followed = named.Except(points.Select(p => p.Sequence)).ToList();
        Require(named.Except(followed).SequenceEqual(spoiled), $"{what}: the points [{string.Join(' ', spoiled)}] are spoiled, and a scrub names [{string.Join(' ', named)}]");
        CheckSpoiledRuns(store, report, followed, what);
        if (spoiled.Count > 0) Counters.Add(SimulationCounters.BitFlipsThatSpoil);
    }

    private static List<string> Segments(SimulatedDirectory journal) => [.. journal.ListFiles().Where(n => n.StartsWith("segment-", StringComparison.Ordinal))];

    private static long LivePayloadOffset(SimulatedDirectory live, DiskDescription disk)
    {
        using var image = Images.LiveContainer.LiveContainer.Open(live, disk.Name + ".vhdx", Blocks.Files.HostFileAccess.Read);
        return image.PayloadOffset;
    }
}
