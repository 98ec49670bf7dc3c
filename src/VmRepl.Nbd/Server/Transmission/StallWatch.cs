using System.Diagnostics;

namespace VmRepl.Nbd.Server;

/// <summary>
/// Looks after the threads that carry out a request while they hold their connection's turn: from one that stands still the turn is taken, so that a device that hangs in one place holds up no other request.
/// One thread for a server, asleep while nothing happens.
/// </summary>
internal sealed class StallWatch : IDisposable
{
    private const int LookEveryMs = 2;
    private const int IdleLooksMax = 50;

    private static readonly long StallTicks = Stopwatch.Frequency * 4 / 1000;

    private readonly ManualResetEventSlim waking = new();
    private readonly Lock gate = new();
    private readonly List<ClientSession> sessions = [];
    private readonly Thread thread;
    private volatile bool isAsleep;
    private volatile bool isEnded;

    public StallWatch()
    {
        thread = new Thread(Run, 256 << 10) { IsBackground = true, Name = "nbd watch" };
        thread.Start();
    }

    public void Add(ClientSession session)
    {
        lock (gate) sessions.Add(session);
    }

    public void Remove(ClientSession session)
    {
        lock (gate) sessions.Remove(session);
    }

    /// <summary>Said by a session that begins to work.</summary>
    public void Wake()
    {
        if (isAsleep) waking.Set();
    }

    public void Dispose()
    {
        isEnded = true;
        waking.Set();
        thread.Join();
        waking.Dispose();
    }

    private void Run()
    {
        var (idleLooks, lastRequests) = (0, -1L);
        while (!isEnded)
        {
            if (idleLooks > IdleLooksMax)
            {
                waking.Reset();
                isAsleep = true;
                // Whoever began before it could see this is found here; whoever begins later sets the event.
                Thread.MemoryBarrier();
                if (Look() == lastRequests && !isEnded) waking.Wait();
                isAsleep = false;
                idleLooks = 0;
            }

            Thread.Sleep(LookEveryMs);
            var requests = Look();
            idleLooks = requests == lastRequests ? idleLooks + 1 : 0;
            lastRequests = requests;
        }
    }

    /// <returns>How many requests there were so far; different from the last time where any thread may be at work.</returns>
    private long Look()
    {
        var limit = Stopwatch.GetTimestamp() - StallTicks;
        long sum = 0;
        lock (gate)
        {
            foreach (var session in sessions)
            {
                session.TakeIfStalled(limit);
                sum += session.Requests;
            }
        }

        return sum;
    }
}
