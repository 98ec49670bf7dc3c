using VmRepl.Blocks.Files;
using VmRepl.Journal.Points;
using VmRepl.Journal.Segments;
using VmRepl.Journal.Store;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Scrub;

/// <summary>
/// What a scrub says of a group that is too damaged to be opened: the damage, and every point that is still known of, each of which is out of reach until it is mended.
/// Points are taken from the commits that verify, up to the damage in each segment; those in the damaged commit itself are not known.
/// </summary>
internal static class UnopenedGroup
{
    public static ScrubReport Report(IHostDirectory directory, string name, Exception fault)
    {
        var findings = new ScrubFindings(null, 0);
        findings.Add(null, 0, 0, $"{fault.Message}; the group cannot be opened, so that none of its points can be had", ReadPoints(directory.Directory(GroupStore.JournalName)));
        return new ScrubReport(name, 0, 0, 0, 0, findings.DamageCount, findings.Damage, TimeSpan.Zero);
    }

    private static IReadOnlyList<RecoveryPoint> ReadPoints(IHostDirectory journal)
    {
        if (!journal.Exists) return [];
        var facts = new List<RecordHeader>();
        CheckpointRecord? checkpoint = null;
        foreach (var name in journal.ListFiles().Where(n => SegmentLayout.TryParseName(n, out _)))
        {
            try
            {
                using var segment = SegmentFile.Open(journal, name, HostFileAccess.Read);
                ulong incarnation = 0;
                for (uint? previous = null; (segment.ReadCommit(previous, ref incarnation) ?? segment.Mend(previous, ref incarnation)) is { } commit; previous = commit.Checksum)
                {
                    facts.AddRange(commit.Stored.Select(r => r.Header).Where(h => h.Sequence > 0));
                    if (commit.Stored.FindLast(r => r.Header.Kind == RecordKind.Checkpoint) is { } found) checkpoint = CheckpointRecord.Read(found.Header, segment.Path);
                }
            }
            catch (Exception e) when (e is JournalDamagedException or IOException)
            {
                // Named by the fault that kept the group from being opened, or more of the same: what was read so far is known.
            }
        }

        var points = new PointList();
        if (checkpoint?.StartPoint is { } start) points.AddStart(start);
        foreach (var header in facts.Where(h => h.Sequence > (checkpoint?.Start ?? 0))) points.Observe(header);
        // No runs: a resync may have begun in what cannot be read.
        return points.All;
    }
}
