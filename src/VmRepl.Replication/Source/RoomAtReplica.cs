using Microsoft.Extensions.Logging;

namespace VmRepl.Replication.Source;

/// <summary>
/// Whether the replica waits for room, and why. A round waits with it, over reconnects and restarts of the replica, for <see cref="LinkOptions.RoomFor"/> since it last got on, and no longer.
/// Safe for concurrent use.
/// </summary>
/// <param name="changed">Told the reason, or null where it goes on.</param>
/// <param name="late">Told the reason when it took too long.</param>
internal sealed class RoomAtReplica(string group, LinkOptions options, TimeProvider time, ILogger log, Action<string?>? changed, Action<ReplicationException> late) : IDisposable
{
    private readonly Lock gate = new();
    private ITimer? deadline;
    private string reason = "";

    public void Wait(string why)
    {
        lock (gate)
        {
            reason = why;
            if (deadline is null) LinkLog.WaitingForRoom(log, group, why);
            deadline ??= time.CreateTimer(_ => late(TooLate()), null, options.RoomFor, Timeout.InfiniteTimeSpan);
            changed?.Invoke(why);
        }
    }

    /// <summary>It got on.</summary>
    public void GoOn()
    {
        lock (gate)
        {
            if (deadline is null) return;
            deadline.Dispose();
            deadline = null;
            changed?.Invoke(null);
        }
    }

    public void Dispose() => GoOn();

    private ReplicationException TooLate() => new(group, $"group {group}: the replica had no room for {options.RoomFor.TotalSeconds:0} s, so the round ended without a new point: {reason}",
        "Make room there (a larger --journal-capacity, space on its volume), then sync again: the round is taken up where it is, earlier points are kept.");
}
