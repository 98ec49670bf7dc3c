using VmRepl.Protocol.Messages;

namespace VmRepl.Replication.Source.Following;

/// <summary>
/// Decides, for each link that is made, the cheapest sound way to bring the replica level, and marks what has to be brought over for it. By what is known of the disks and of the replica: its store, its rewinds, and how much it has of what
/// it acknowledged.
/// </summary>
internal sealed class LinkJudge(IReadOnlyList<FollowedDisk> disks, AnchorKeeper anchors, SequenceReserve sequences, FollowMemory memory)
{
    /// <summary>The marks are on stable storage when this returns, as far as they were changed.</summary>
    /// <returns>The decision (<see cref="LinkDecision"/>), and its cause; null where that is what ended the last link, or how the disks were found.</returns>
    public (string Decision, string? Cause) Prepare(Guid storeId, GroupState replica, bool isBaseline)
    {
        var watermark = disks.Max(d => d.Marks.DurableAtReplica);
        var distrust = isBaseline ? "the replica has no point of this group yet" : Distrust(storeId, replica);
        var lost = distrust is null && replica.Durable < watermark ? $"the replica has less than it had acknowledged (up to {replica.Durable}, it was {watermark})" : null;
        var anchor = lost is null ? null : anchors.Newest(replica.Durable);
        foreach (var disk in distrust is null && lost is null ? [] : disks)
        {
            if (anchor is { } from)
            {
                disk.Marks.MarkAgain(disk.Marks.Anchors.WrittenSince(from)!);
                disk.Marks.Anchors.ForgetAfter(replica.Durable);
            }
            else
            {
                disk.Marks.MarkAll();
                disk.ComparesFirst = true;
            }

            // What it acknowledged counts from here on.
            disk.Marks.DurableAtReplica = replica.Durable;
        }

        if (isBaseline) return ("baseline", distrust);
        if (disks.Any(d => d.ComparesFirst)) return ("resync by digests", distrust ?? lost);
        return anchor is { } since ? ("resync from an anchor", $"{lost}, and what was written since the anchor {since} is known") : ("quick resync", null);
    }

    /// <summary>Why no mark says anything about this replica; null where they do.</summary>
    private string? Distrust(Guid storeId, GroupState replica)
    {
        var known = memory.Progress;
        return known.StoreId == Guid.Empty ? "this agent has not followed it to this replica before"
            : known.StoreId != storeId ? "the replica's store is another one"
            : replica.IsRewoundSince(known.NewestRewind) ? "the replica was rewound"
            : replica.Durable > sequences.Last ? "the replica has changes that this agent's state knows nothing of"
            : null;
    }
}
