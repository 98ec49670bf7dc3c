namespace VmRepl.Protocol.Connections;

/// <summary>A bounded ring of bytes with one writer and one reader, either of whom may wait for the other.</summary>
internal sealed class MemoryPipe
{
    private readonly Lock gate = new();
    private readonly byte[] ring;
    private int start;
    private int count;
    private bool isWritingClosed;
    private bool isReadingClosed;

    // Completed and replaced at every change; a waiter takes the one of the state that made it wait.
    private TaskCompletionSource changed = NewChange();

    public MemoryPipe(int capacityBytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacityBytes, 1);
        ring = new byte[capacityBytes];
    }

    /// <summary>Waits for room and takes as much as fits, at least one byte.</summary>
    public async ValueTask<int> WriteAsync(ReadOnlyMemory<byte> data, string peer, CancellationToken cancellation)
    {
        while (true)
        {
            Task wait;
            lock (gate)
            {
                if (isWritingClosed) throw new ConnectionLostException(peer, "it was closed on this side");
                if (isReadingClosed) throw new ConnectionLostException(peer, "it was closed by the peer");
                var taken = Math.Min(data.Length, ring.Length - count);
                if (taken > 0)
                {
                    var end = (start + count) % ring.Length;
                    var first = Math.Min(taken, ring.Length - end);
                    data.Span[..first].CopyTo(ring.AsSpan(end));
                    data.Span[first..taken].CopyTo(ring);
                    count += taken;
                    Announce();
                    return taken;
                }

                wait = changed.Task;
            }

            await wait.WaitAsync(cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>Waits for at least one byte; 0 when the writer closed and everything was read.</summary>
    public async ValueTask<int> ReadAsync(Memory<byte> buffer, string peer, CancellationToken cancellation)
    {
        while (true)
        {
            Task wait;
            lock (gate)
            {
                if (isReadingClosed) throw new ConnectionLostException(peer, "it was closed on this side");
                var taken = Math.Min(buffer.Length, count);
                if (taken > 0)
                {
                    var first = Math.Min(taken, ring.Length - start);
                    ring.AsSpan(start, first).CopyTo(buffer.Span);
                    ring.AsSpan(0, taken - first).CopyTo(buffer.Span[first..]);
                    start = (start + taken) % ring.Length;
                    count -= taken;
                    Announce();
                    return taken;
                }

                if (isWritingClosed || buffer.IsEmpty) return 0;
                wait = changed.Task;
            }

            await wait.WaitAsync(cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>No more will be written; what was can still be read.</summary>
    public void CloseWriting()
    {
        lock (gate)
        {
            isWritingClosed = true;
            Announce();
        }
    }

    /// <summary>No more will be read.</summary>
    public void CloseReading()
    {
        lock (gate)
        {
            isReadingClosed = true;
            Announce();
        }
    }

    private static TaskCompletionSource NewChange() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private void Announce()
    {
        var done = changed;
        changed = NewChange();
        done.SetResult();
    }
}
