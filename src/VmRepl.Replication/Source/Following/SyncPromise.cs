using VmRepl.Blocks.Files;

namespace VmRepl.Replication.Source.Following;

/// <summary>
/// The promise of a sync group: what was answered to the guest is at the replica. It begins when the replica is in sync, and ends only when the replica has not been heard of for the lease and the end is on stable
/// storage; before that no write is answered without the replica. The file <c>promise.json</c>. Safe for concurrent use.
/// </summary>
internal sealed class SyncPromise
{
    private const string FileName = "promise.json";

    private readonly IHostDirectory directory;
    private readonly FollowOptions options;
    private readonly TimeProvider time;
    private readonly Func<ulong> stamped;
    private readonly Func<ulong> durable;
    private readonly Func<bool> isClose;
    private readonly Func<bool> isInSync;
    private readonly Lock gate = new();
    private readonly WakeUp changed = new();
    private long heardAt;

    // Whether writes wait already though the promise has not begun: then it begins when everything stamped before is durable, what was answered without waiting among it.
    private bool isArmed;
    private ulong armedAt;

    // Whether those who wait are woken when the lease can have run out. One timer for all of them: a timer for each write is there for the whole lease, long after the write was answered.
    private bool isWakeDue;

    // Since the last time that it was found in sync; at first, too: a promise of an earlier life is in force, and the replica is not there yet.
    private bool wasLost = true;

    /// <param name="stamped">Newest sequence stamped.</param>
    /// <param name="durable">Newest sequence known durable at the replica.</param>
    /// <param name="isInSync">Whether the replica has everything but what is on its way; false from the moment on that something is tracked.</param>
    /// <param name="isClose">Whether so little is on its way that a write may wait for all of it.</param>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public SyncPromise(IHostDirectory directory, FollowOptions options, TimeProvider time, Func<ulong> stamped, Func<ulong> durable, Func<bool> isInSync, Func<bool> isClose)
    {
        (this.directory, this.options, this.time, this.stamped, this.durable, this.isInSync, this.isClose) = (directory, options, time, stamped, durable, isInSync, isClose);
        State = Read(directory);
        heardAt = time.GetTimestamp();
    }

    public PromiseState State { get; private set; }

    /// <summary>The promise of a group that is not followed at present.</summary>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static PromiseState Read(IHostDirectory directory) => SourceJson.TryRead<PromiseState>(directory, FileName) ?? new PromiseState();

    /// <summary>Whether no write is answered without the replica now.</summary>
    public bool IsHeld
    {
        get
        {
            lock (gate) return State.IsInForce || isArmed;
        }
    }

    /// <summary>A sign of life of the replica.</summary>
    public void Heard() => Volatile.Write(ref heardAt, time.GetTimestamp());

    /// <summary>The replica has said how far it is.</summary>
    /// <exception cref="IOException">The promise's begin cannot be recorded: then it is not promised.</exception>
    public void Note()
    {
        lock (gate)
        {
            // Asked under the lock: whoever loses it tells so afterwards.
            if (!isInSync()) return;
            Heard();
            if (State.IsInForce)
            {
                if (!wasLost) return;
                // Found again within the lease; what was tracked meanwhile has been brought over.
                wasLost = false;
                changed.Set();
                return;
            }

            if (!isArmed)
            {
                // A backlog is waited for by nobody: at the end of a resync the buffer may still be full.
                if (!isClose()) return;
                // In this order: a write that did not wait was stamped before.
                isArmed = true;
                armedAt = stamped();
            }

            if (durable() < armedAt) return;
            Save(new PromiseState { IsInForce = true, SinceUs = time.NowUs(), FromSequence = durable(), Ended = State.Ended });
            (isArmed, wasLost) = (false, false);
            changed.Set();
        }
    }

    /// <summary>The replica is no longer in sync.</summary>
    public void Lost()
    {
        lock (gate)
        {
            (isArmed, wasLost) = (false, true);
            changed.Set();
        }
    }

    /// <summary>Waits until a write may be answered: it is durable at the replica, or the guest may go on alone.</summary>
    /// <param name="atReplica">Its durability there; null where it was not sent.</param>
    public async ValueTask WaitAsync(Task<bool>? atReplica, CancellationToken cancellation)
    {
        while (true)
        {
            if (atReplica is { IsCompletedSuccessfully: true, Result: true }) return;
            if (atReplica is { IsCompleted: true }) atReplica = null;
            Task signal;
            lock (gate)
            {
                // It was tracked when it was taken, or is since its link was given up, and the replica was not in sync then: where it is now, that was brought over. That a promise began meanwhile is not enough:
                // one that was sent before it and lost after it is not there (simulation, seed 723786).
                if (atReplica is null && State.IsInForce && isInSync()) return;
                var isHeld = IsHeld;
                if (!isHeld && (options.OnLoss == LossRule.Continue || State.Ended is null)) return;
                var left = isHeld ? options.Lease - time.GetElapsedTime(Volatile.Read(ref heardAt)) : Timeout.InfiniteTimeSpan;
                if (isHeld && left <= TimeSpan.Zero)
                {
                    if (State.IsInForce) End();
                    isArmed = false;
                    continue;
                }

                signal = changed.Next;
                if (isHeld && !isWakeDue)
                {
                    isWakeDue = true;
                    _ = WakeAsync(left + TimeSpan.FromMilliseconds(1));
                }
            }

            await (atReplica is null ? signal : Task.WhenAny(signal, atReplica)).WaitAsync(cancellation);
        }
    }

    /// <summary>What is heard meanwhile only moves the lease's end back, so nobody is woken too late.</summary>
    private async Task WakeAsync(TimeSpan after)
    {
        await Task.Delay(after, time);
        lock (gate)
        {
            isWakeDue = false;
            changed.Set();
        }
    }

    /// <exception cref="IOException">It cannot be recorded: the guest does not go on.</exception>
    private void End()
    {
        var now = time.NowUs();
        Save(State with { IsInForce = false, Ended = new PromiseState.End(durable(), now, $"the replica was not heard of for {options.Lease.TotalSeconds:0.#} s") });
        changed.Set();
    }

    private void Save(PromiseState next)
    {
        SourceJson.Write(directory, FileName, next);
        State = next;
    }
}
