using VmRepl.Journal.Points;
using VmRepl.Protocol.Records;
using VmRepl.Replication.Digests;

namespace VmRepl.Replication.Source;

/// <summary>
/// One round of snapshot mode: the group's disks, standing still, are brought over, and one recovery point for all of them is made.
/// <code>
/// what happens                        if it ends here
/// images opened and looked at         nothing was said
/// resync-begin                        the last point stays the newest that is offered
/// metadata, contents                  the same; the next round compares and finishes the rest
/// images looked at again: changed     the same; no point is made of this round
/// resync-end, durable                 the point exists
/// </code>
/// The first round of a group is its baseline: its contents are not journaled, and the point at its end is the first.
/// </summary>
internal sealed class SnapshotRound(SourceGroupDefinition group, SourceProgress before, Guid sourceId, ReplicaLink link, GroupSeeds seeds, SequenceReserve sequences, TimeProvider time, RoundProgress progress)
{
    private const string BaselinePhase = "baseline";

    public async Task<(RoundResult Result, SourceProgress After)> RunAsync(IReadOnlyList<FrozenDisk> disks, CancellationToken cancellation)
    {
        var started = time.GetTimestamp();
        progress.Restart();
        await link.OpenAsync(cancellation);
        var isBaseline = link.State.Phase == BaselinePhase;
        // An end that the last life of this agent did not hear of.
        if (group.CloneOf is not null && !isBaseline) return Ended(started);
        // The replica has less than it once acknowledged, or more (a round that did not end may have brought values), or is another one: what was remembered of its values
        // does not count, only the keys do.
        var known = link.StoreId == before.StoreId && link.Durable == before.Durable ? before : before with { Metadata = before.Metadata.ToDictionary(m => m.Key, _ => "") };
        sequences.AdvanceTo(link.Durable);
        var stream = new RecordStream(link, sequences, time, group.Epoch, link.BeginTimeUs(before.TimeUs));
        // And keys that this side knows nothing of: a rewind brings back what was removed.
        var replicated = link.State.MetadataKeys.ToDictionary(k => k, k => known.Metadata.GetValueOrDefault(k, ""));

        if (!isBaseline) await stream.SendAsync([Begin()], isBaseline: false, cancellation);
        else await seeds.UseAsync(link, waiting => progress.Waiting = waiting, cancellation);
        if (isBaseline && group.IsSeedWhole) seeds.RequireWhole();
        using (var digest = new BlockDigest(link.StoreId, sourceId))
        {
            foreach (var disk in disks)
                await new RegionComparison(disk.Disk, disk.Image, link, stream, digest, isBaseline, progress).RunAsync(cancellation);
        }

        var metadata = GroupMetadata.Read(group);
        var drafts = GroupMetadata.Drafts(metadata, replicated);
        foreach (var disk in disks) disk.VerifyUnchanged();
        drafts.Add(new RecordDraft(RecordKind.ResyncEnd, 0, 0, 0, default, new Dictionary<string, string> { [RecordAttribute.Consistency] = RecoveryPoint.Crash }));
        await stream.SendAsync(drafts, isBaseline: false, cancellation);
        await link.WaitDurableAsync(stream.Last, cancellation);

        var result = new RoundResult(stream.Last, stream.LastTimeUs, link.StoreId, isBaseline, link.BytesSent, link.DigestBytesSent, progress.ChangedBytes, time.GetElapsedTime(started));
        var after = before with
        {
            StoreId = link.StoreId,
            Durable = link.Durable,
            TimeUs = stream.LastTimeUs,
            Metadata = metadata.ToDictionary(m => m.Key, m => GroupMetadata.Digest(m.Value)),
            PointSequence = stream.Last,
            PointTimeUs = stream.LastTimeUs,
            FirstPointTimeUs = isBaseline ? stream.LastTimeUs : link.State.FirstPointTimeUs,
            Bookmark = null,
            RoundIsOpen = false,
        };
        return (result, after);
    }

    /// <summary>A clone is whole once it has a point: nothing follows.</summary>
    private (RoundResult Result, SourceProgress After) Ended(long started)
    {
        var (point, timeUs) = (link.State.LastPoint, link.State.FirstPointTimeUs);
        var result = new RoundResult(point, timeUs, link.StoreId, true, link.BytesSent, 0, 0, time.GetElapsedTime(started));
        return (result, before with { StoreId = link.StoreId, Durable = link.Durable, PointSequence = point, PointTimeUs = timeUs, FirstPointTimeUs = timeUs, RoundIsOpen = false });
    }

    /// <summary>Opens the resync, and names the numbers that were given up.</summary>
    private RecordDraft Begin() => new(RecordKind.ResyncBegin, 0, 0, 0, default, sequences.GapAfter(link.Durable));
}
