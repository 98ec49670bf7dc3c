using VmRepl.Blocks.Files;
using VmRepl.Journal.Points;
using VmRepl.Protocol.Records;

namespace VmRepl.Replication.Source.Following;

/// <content>
/// Freezing all disks at one place in the order. Inside the hold nothing is read, written or waited for but the end of the changes that were stamped: the record takes its place, and each disk's frozen contents are put up.
/// </content>
internal sealed partial class GroupFollower
{
    /// <summary>Longest that the changes under way are waited for, at the last attempt.</summary>
    public static readonly TimeSpan HoldMax = TimeSpan.FromSeconds(1);

    // One change that takes long (a flush of an image with tables, on a busy volume) need not hold up the others for as long: they are let go on, and it is tried again when that one may have ended.
    private static readonly TimeSpan HoldShort = TimeSpan.FromMilliseconds(20), BetweenHolds = TimeSpan.FromMilliseconds(10);
    private const int ShortHolds = 100;

    // Numbers that are reserved before the hold, so that none has to be in it.
    private const int NumbersAhead = 1 << 12;

    /// <summary>Puts a record of a clone in its place and begins to copy what the disks hold there.</summary>
    /// <param name="targets">A file for each disk, as long as it is and all hole; not owned. Used until the copy has ended.</param>
    /// <exception cref="ReplicationException">The group is not in sync, or the changes under way did not end in time; nothing was done.</exception>
    /// <exception cref="IOException">No sequence can be reserved; nothing was done.</exception>
    public async Task<FrozenGroup> FreezeAsync(string id, string name, IReadOnlyList<IHostFile> targets, CancellationToken stopping)
    {
        if (!stream.IsInSync) throw NotInSync();
        if (disks.Any(d => d.Frozen is not null)) throw new ReplicationException(group.Name, $"group {group.Name}: another clone is being copied", "Wait until vmrepl clones says that it is protected.", isRefusal: true);
        var frozen = disks.Select((d, i) => new FrozenContents(d.Image, targets[i])).ToList();
        var draft = new RecordDraft(RecordKind.Clone, 0, 0, 0, default, new Dictionary<string, string> { [RecordAttribute.Name] = name, [RecordAttribute.Id] = id });
        stream.Under(() =>
        {
            sequences.Ensure(NumbersAhead);
            return true;
        });
        (ulong Sequence, long TimeUs, Task<bool> Durable)? fact = null;
        var longest = TimeSpan.Zero;
        for (var holds = 1; fact is null; holds++)
        {
            var started = time.GetTimestamp();
            var drained = gate.Close();
            try
            {
                await drained.WaitAsync(holds > ShortHolds ? HoldMax : HoldShort, time, stopping);
                fact = stream.TakeFact(draft, isInSync: true);
                for (var i = 0; i < frozen.Count; i++) disks[i].Frozen = frozen[i];
            }
            catch (TimeoutException e) when (holds > ShortHolds)
            {
                throw new ReplicationException(group.Name, $"group {group.Name}: the writes under way did not end within {HoldMax.TotalSeconds:0.#} s, so no clone was made; they were let go on", "Try again when the disks answer sooner.", isRefusal: true, cause: e);
            }
            catch (TimeoutException)
            {
                // Let go on, below.
            }
            catch (InvalidOperationException e)
            {
                throw NotInSync(e);
            }
            finally
            {
                gate.Open();
                var hold = time.GetElapsedTime(started);
                if (hold > longest) longest = hold;
            }

            if (fact is null) await Task.Delay(BetweenHolds, time, stopping);
        }

        // This may be the thread of the write that was waited for.
        await Task.Yield();
        var (sequence, timeUs, durable) = fact.Value;
        FollowLog.Frozen(log, group.Name, name, sequence, longest.TotalMilliseconds);
        return new FrozenGroup(sequence, timeUs, longest, durable, CopyFrozenAsync(frozen, stopping));
    }

    private ReplicationException NotInSync(Exception? cause = null) => new(group.Name, $"group {group.Name} is not in sync ({Status.Phase}), so no clone can be made in step", "Wait until vmrepl status says in-sync, or vmrepl sync it, then try again.", isRefusal: true, cause: cause);

    private async Task CopyFrozenAsync(List<FrozenContents> frozen, CancellationToken stopping)
    {
        try
        {
            foreach (var contents in frozen) await contents.CopyAsync(stopping);
        }
        finally
        {
            foreach (var disk in disks) disk.Frozen = null;
        }
    }
}
