using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Sockets;

namespace VmRepl.Tests;

/// <summary>One direction of a relayed connection: a thread that takes bytes in and stamps them with when they are due, one that passes them on then. So a delay holds up nothing that comes after it.</summary>
/// <param name="count">Told of every byte that came.</param>
/// <param name="broken">Called when this direction has ended.</param>
internal sealed class RelayedFlow(Relay relay, Socket from, Socket to, Action<int> count, Action broken)
{
    private const int PieceBytes = 32 << 10;
    private const int PiecesMax = 256;

    private readonly BlockingCollection<(long Due, byte[] Bytes)> onTheWay = new(PiecesMax);

    public void Start()
    {
        new Thread(() => Quietly(TakeIn, onTheWay.CompleteAdding)) { IsBackground = true, Name = "relay in" }.Start();
        new Thread(() => Quietly(PassOn, broken)) { IsBackground = true, Name = "relay out" }.Start();
    }

    private static void Quietly(Action run, Action ended)
    {
        try
        {
            run();
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or InvalidOperationException)
        {
            // The connection's end.
        }
        finally
        {
            ended();
        }
    }

    private void TakeIn()
    {
        var buffer = new byte[PieceBytes];
        long last = 0, free = 0;
        while (true)
        {
            relay.Flowing.Wait();
            // Not taken in before there is room on the wire: what it held would be a part of it that the source cannot see.
            SleepUntil(free);
            var received = from.Receive(buffer);
            if (received == 0) return;
            count(received);
            // A relay spoils times, never contents: its randomness need not be repeatable.
            last = Math.Max(last, Stopwatch.GetTimestamp() + Ticks(relay.Delay) + (long)(Ticks(relay.Jitter) * Random.Shared.NextDouble()));
            onTheWay.Add((last, buffer[..received]));
            if (relay.BytesPerSecond > 0) free = Math.Max(free, Stopwatch.GetTimestamp()) + Stopwatch.Frequency * received / relay.BytesPerSecond;
        }
    }

    private void PassOn()
    {
        foreach (var (due, bytes) in onTheWay.GetConsumingEnumerable())
        {
            SleepUntil(due);
            relay.Flowing.Wait();
            for (var at = 0; at < bytes.Length;) at += to.Send(bytes, at, bytes.Length - at, SocketFlags.None);
        }
    }

    private static long Ticks(TimeSpan time) => (long)(time.TotalSeconds * Stopwatch.Frequency);

    private static void SleepUntil(long due)
    {
        while (Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), due) is { Ticks: > 0 } left)
        {
            // A sleep is a little longer than asked for: the last part is waited for awake, since a round trip is what is measured with it.
            if (left.TotalMilliseconds > 1.1) Thread.Sleep((int)(left.TotalMilliseconds - 0.1));
            else Thread.Yield();
        }
    }
}
