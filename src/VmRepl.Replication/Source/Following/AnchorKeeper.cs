namespace VmRepl.Replication.Source.Following;

/// <summary>
/// Makes the anchors of a group, and finds the one that a replica which has lost something can be brought level from. An anchor holds up no write:
/// <code>
/// an interval is begun for every disk      what begins from now on is noted there
/// drained                                  what began before is waited for, until it is stamped and in the local image; new changes go on
/// made                                     the newest sequence is the anchor's: a replica that has it has everything that is not noted
/// </code>
/// That the replica has it is asked when an anchor is used, so it need not be waited for. Where sync is lost meanwhile there is no anchor: a change that is tracked has no sequence.
/// </summary>
internal sealed class AnchorKeeper(IReadOnlyList<FollowedDisk> disks, GroupStream stream, ChangesUnderWay changes)
{
    private ulong last;

    /// <summary>Anchors made since the start.</summary>
    public long Count { get; private set; }

    /// <summary>Writes that were held up by the making of one, since the start.</summary>
    public long Held => changes.Held;

    /// <summary>Makes one from time to time, until it is called off.</summary>
    public async Task RunAsync(TimeSpan every, TimeProvider time, CancellationToken cancellation)
    {
        try
        {
            while (true)
            {
                await CommonTick.NextAsync(every, time, cancellation);
                await TryMakeAsync();
            }
        }
        catch (OperationCanceledException)
        {
            // The group ends.
        }
    }

    /// <summary>Makes one, where the replica is in sync and something was written since the last.</summary>
    private async Task TryMakeAsync()
    {
        var losses = stream.SyncLosses;
        if (!stream.IsInSync || stream.Last == last) return;
        foreach (var disk in disks) disk.Marks.Anchors.Begin();
#if SIMULATION_PLANTS
        Simulation.Plant.AnchorBegun?.Invoke();
        if (Simulation.Plant.Is(Simulation.Plant.AnchorWithoutDrain))
        {
            foreach (var disk in disks) disk.Marks.Anchors.Make(stream.Durable);
            return;
        }
#endif
        await changes.DrainAsync();
        var sequence = stream.Last;
        if (!stream.IsInSync || stream.SyncLosses != losses) return;
        foreach (var disk in disks) disk.Marks.Anchors.Make(sequence);
        last = sequence;
        Count++;
    }

    /// <summary>Newest anchor of all disks up to a sequence; null where there is none.</summary>
    public ulong? Newest(ulong durable)
    {
        var common = disks[0].Marks.Anchors.Sequences.Where(s => s <= durable && disks.All(d => d.Marks.Anchors.Sequences.Contains(s))).ToList();
        return common.Count > 0 ? common[0] : null;
    }
}
