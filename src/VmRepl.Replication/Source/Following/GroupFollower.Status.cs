using VmRepl.Protocol.Messages;

namespace VmRepl.Replication.Source.Following;

/// <content>What is told of the group, and what is known of it from before there is a link.</content>
internal sealed partial class GroupFollower
{
    public FollowStatus Status
    {
        get
        {
            // Before the stream is asked: what is in sync by this and not by that was lost just now, and is about to be noted.
            var known = memory.Progress;
            var phase = stream.Phase;
            var (current, isInSync) = (link, stream.IsInSync);
            var down = current?.DownReason;
            if (!isInSync && known.InSyncSinceUs != 0) known = known with { InSyncSinceUs = 0, LostSyncUs = LostSinceUs(isLinkGivenUp: phase == StreamPhase.Alone), MissingSinceUs = stream.MissingSinceUs };
            var dirty = disks.Sum(d => d.Marks.DirtyBytes);
            var durable = stream.Durable != 0 ? stream.Durable : durableBefore;
            var (flight, point) = (stream.OldestFlightUs, stream.NewestPoint is { Sequence: not 0 } newest ? newest : (Sequence: known.PointSequence, TimeUs: known.PointTimeUs));
            return new FollowStatus
            {
                Phase = phase switch { StreamPhase.Alone => "tracking", StreamPhase.Baseline => "baseline", StreamPhase.Resync => "resync", _ => !isInSync ? "resync" : down is null ? "in-sync" : "disconnected" },
                IsInSync = isInSync,
                Acknowledgement = options.Acknowledgement,
                OnLoss = options.OnLoss,
                GoesAsAsync = answers.GoesAsAsync,
                Promise = promise?.State,
                InSyncSinceUs = known.InSyncSinceUs,
                LostSyncUs = known.LostSyncUs,
                LagBytes = stream.LagBytes,
                OldestMissingUs = isInSync || dirty == 0 || known.MissingSinceUs == 0 ? flight : Math.Min(known.MissingSinceUs, flight ?? long.MaxValue),
                DirtyBytes = dirty,
                DirtyIsExact = disks.All(d => d.Marks.SegmentDirtyBytes == 0 && !d.ComparesFirst),
                ToCopyBytes = stream.ToCopyBytes,
                TotalBytes = progress.TotalBytes,
                DoneBytes = progress.DoneBytes,
                BytesPerSecond = progress.Rate,
                Last = Math.Max(stream.Last, durable),
                LastTimeUs = stream.LastTimeUs,
                Durable = durable,
                Overflows = stream.Overflows,
                Anchors = anchors.Count,
                HeldByAnchors = anchors.Held,
                CreditBytes = current?.CreditBytes ?? 0,
                BytesSent = (current?.BytesSent ?? 0) + known.BytesSent,
                PointSequence = point.Sequence,
                PointTimeUs = point.TimeUs,
                FirstPointTimeUs = known.FirstPointTimeUs,
                LinkDown = down,
                LinkSinceUs = phase == StreamPhase.Alone ? 0 : current?.DownOrUpSinceUs ?? 0,
                Waiting = waiting,
                LastError = lastError?.Message,
                NextStep = lastError?.Hint,
                IsRefused = lastError?.IsRefusal ?? false,
            };
        }
    }

    /// <summary>The newest moment at which an earlier life of the agent is known to have followed a disk, microseconds since 1970.</summary>
    private static long LastSignUs(FollowedDisk disk) =>
        Math.Max(disk.Marks.DurableTimeUs, new[] { disk.Marks.LastBegun, disk.Marks.LastEnded }.Max(t => t is { } at ? (at - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond : 0));

    /// <summary>The newest point is what the replica says it is. Its time is the newest record's where it is that; otherwise it is not earlier than that of a point known before.</summary>
    private void NotePoint(GroupState replica)
    {
        var known = memory.Progress;
        memory.NoteNewestPoint((replica.LastPoint, replica.LastPoint == 0 ? 0
            : replica.LastPoint == replica.Durable ? replica.NewestTimeUs
            : known.PointSequence <= replica.LastPoint ? Math.Max(known.PointTimeUs, replica.FirstPointTimeUs)
            : replica.FirstPointTimeUs));
    }
}
