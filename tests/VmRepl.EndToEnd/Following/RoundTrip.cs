using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace VmRepl.EndToEnd.Following;

/// <summary>What a round trip through a relay takes.</summary>
internal static class RoundTrip
{
    /// <param name="delay">Of the relay, each way.</param>
    /// <param name="bytes">There; one comes back.</param>
    /// <returns>Milliseconds, ascending.</returns>
    public static double[] Measure(TimeSpan delay, int bytes, int count)
    {
        using var listening = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listening.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listening.Listen();
        var answering = new Thread(() => Answer(listening, bytes)) { IsBackground = true };
        answering.Start();
        using var relay = new Relay(((IPEndPoint)listening.LocalEndPoint!).Port) { Delay = delay };
        using var asking = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        asking.Connect(IPEndPoint.Parse(relay.Address));
        var found = new double[count];
        var contents = new byte[bytes];
        for (var i = 0; i < count; i++)
        {
            var started = Stopwatch.GetTimestamp();
            asking.Send(contents);
            asking.Receive(contents, 0, 1, SocketFlags.None);
            found[i] = Stopwatch.GetElapsedTime(started).TotalMilliseconds;
        }

        asking.Dispose();
        answering.Join();
        Array.Sort(found);
        return found;
    }

    private static void Answer(Socket listening, int bytes)
    {
        using var peer = listening.Accept();
        peer.NoDelay = true;
        var contents = new byte[bytes];
        try
        {
            while (true)
            {
                for (var at = 0; at < bytes;)
                {
                    var count = peer.Receive(contents, at, bytes - at, SocketFlags.None);
                    if (count == 0) return;
                    at += count;
                }

                peer.Send(contents, 0, 1, SocketFlags.None);
            }
        }
        catch (SocketException)
        {
            // The one who asked has gone.
        }
    }
}
