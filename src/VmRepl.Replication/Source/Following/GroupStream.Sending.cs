namespace VmRepl.Replication.Source.Following;

/// <content>What whoever sends, and whoever copies, waits for and takes.</content>
internal sealed partial class GroupStream
{
    // Contents that are copied are handed to the link this much ahead of it and no more: what the guest writes over them in the queue would be sent twice.
    private const long CopyAheadBytes = 1 << 20;

    private readonly WakeUp work = new();
    private readonly WakeUp room = new();
    private readonly WakeUp copying = new();

    // Whether something came to wait that whoever sends was not told of.
    private bool hasUntold;

    /// <summary>Bytes of records that were not sent yet.</summary>
    public long WaitingBytes
    {
        get
        {
            lock (gate) return queue.WaitingBytes;
        }
    }

    /// <summary>Waits until there is something to send.</summary>
    /// <returns>False where the link was given up.</returns>
    /// <exception cref="IOException">It was given up because the agent's state cannot be written.</exception>
    public Task<bool> WaitForWorkAsync(CancellationToken cancellation) => WaitAsync(work, () => queue.HasWaiting, cancellation);

    /// <summary>Waits until copied contents of so many bytes have room beside the changes of the guest, which come first, and are sent soon.</summary>
    /// <inheritdoc cref="WaitForWorkAsync"/>
    public Task<bool> WaitForRoomAsync(long bytes, CancellationToken cancellation) => WaitAsync(room, () => queue.HeldBytes == 0 || (queue.WaitingBytes <= CopyAheadBytes && queue.HeldBytes + bytes <= options.BufferBytes / 2), cancellation);

    /// <summary>Waits until something is to be brought over.</summary>
    /// <inheritdoc cref="WaitForWorkAsync"/>
    public Task<bool> WaitForCopyAsync(CancellationToken cancellation) => WaitAsync(copying, () => Phase != StreamPhase.Following, cancellation);

    /// <summary>Waits until the replica has acknowledged all that was sent, or much waits, or the link was given up.</summary>
    /// <param name="enoughBytes">What much is.</param>
    public async Task WaitForAnswerAsync(long enoughBytes, CancellationToken cancellation)
    {
        while (true)
        {
            Task next;
            lock (gate)
            {
                if (queue.IsAllSentThere || queue.WaitingBytes >= enoughBytes || Phase == StreamPhase.Alone) return;
                next = room.Next;
            }

            await next.WaitAsync(cancellation);
        }
    }

    /// <summary>The next records to send, all of a baseline or none, in order.</summary>
    public List<SentRecord> NextBatch()
    {
        lock (gate)
        {
            var batch = queue.NextBatch();
            if (queue.WaitingBytes <= CopyAheadBytes) room.Set();
            return batch;
        }
    }

    /// <summary>Tells whoever sends of what was taken and not released.</summary>
    public void Release()
    {
        lock (gate) Tell();
    }

    private async Task<bool> WaitAsync(WakeUp wakeUp, Func<bool> isSo, CancellationToken cancellation)
    {
        while (true)
        {
            Task next;
            lock (gate)
            {
                if (Phase == StreamPhase.Alone && failure is not null) throw new IOException(failure.Message, failure);
                if (Phase == StreamPhase.Alone) return false;
                if (isSo()) return true;
                next = wakeUp.Next;
            }

            await next.WaitAsync(cancellation);
        }
    }

    private void Tell()
    {
        if (!hasUntold) return;
        hasUntold = false;
        work.Set();
    }
}
