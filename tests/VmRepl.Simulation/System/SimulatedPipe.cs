using VmRepl.Protocol.Connections;

namespace VmRepl.Simulation.System;

/// <summary>One direction of a connection: bytes take time, at most <see cref="WindowBytes"/> are on their way, and either end can lose it without the other's knowing.</summary>
internal sealed class SimulatedPipe(SimulatedTime time, Func<TimeSpan> delay)
{
    private const int WindowBytes = 256 << 10;

    private readonly Queue<(byte[] Data, TimeSpan Due)> way = new();
    private TaskCompletionSource changed = new();
    private TimeSpan newestDue;
    private int headTaken;
    private int held;
    private string? writerLost;
    private string? readerLost;
    private bool isClosed;

    /// <summary>Bytes that are taken before <see cref="Spent"/> is called.</summary>
    public long Budget { get; set; } = long.MaxValue;

    /// <summary>Called when the budget is used up.</summary>
    public Action? Spent { get; set; }

    /// <summary>Nothing comes out any more, and nobody is told.</summary>
    public bool IsDead { get; set; }

    public long Written { get; private set; }

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> data, string peer, CancellationToken cancellation)
    {
        while (!data.IsEmpty)
        {
            if (writerLost is not null) throw new ConnectionLostException(peer, writerLost);
            var count = (int)Math.Min(Math.Min(data.Length, WindowBytes - held), Budget);
            if (count > 0)
            {
                newestDue = new TimeSpan(Math.Max(newestDue.Ticks, (time.Elapsed + delay()).Ticks));
                way.Enqueue((data[..count].ToArray(), newestDue));
                held += count;
                Written += count;
                Budget -= count;
                data = data[count..];
                Announce();
                if (Budget > 0) continue;
                Budget = long.MaxValue;
                Spent?.Invoke();
                continue;
            }

            await changed.Task.WaitAsync(cancellation);
        }
    }

    public async ValueTask<int> ReadAsync(Memory<byte> buffer, string peer, CancellationToken cancellation)
    {
        while (true)
        {
            if (readerLost is not null) throw new ConnectionLostException(peer, readerLost);
            if (!IsDead && way.TryPeek(out var head) && head.Due <= time.Elapsed)
            {
                var count = Math.Min(buffer.Length, head.Data.Length - headTaken);
                head.Data.AsMemory(headTaken, count).CopyTo(buffer);
                headTaken += count;
                if (headTaken == head.Data.Length)
                {
                    way.Dequeue();
                    headTaken = 0;
                }

                held -= count;
                Announce();
                return count;
            }

            if (isClosed && way.Count == 0 && !IsDead) return 0;
            var wait = changed.Task.WaitAsync(cancellation);
            if (!IsDead && way.TryPeek(out var next))
            {
                using var calling = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
                await Task.WhenAny(wait, Task.Delay(next.Due - time.Elapsed, time, calling.Token));
                calling.Cancel();
                cancellation.ThrowIfCancellationRequested();
                continue;
            }

            await wait;
        }
    }

    /// <summary>No more is written; what is on its way arrives.</summary>
    public void Close()
    {
        isClosed = true;
        LoseWriter("it was closed on this side");
    }

    public void LoseWriter(string why)
    {
        writerLost ??= why;
        Announce();
    }

    public void LoseReader(string why)
    {
        readerLost ??= why;
        Announce();
    }

    private void Announce()
    {
        var signalled = changed;
        changed = new TaskCompletionSource();
        signalled.SetResult();
    }
}
