using Microsoft.Extensions.Logging;
using VmRepl.Journal.Store;
using VmRepl.Protocol;
using VmRepl.Protocol.Connections;
using VmRepl.Protocol.Messages;
using VmRepl.Protocol.Security;
using VmRepl.Replication.Replica.Attachments;
using VmRepl.Replication.Replica.FailoverTests;
using VmRepl.Replication.Replica.Seeds;

namespace VmRepl.Replication.Replica;

/// <summary>
/// The replica side of a host: one store, many sessions. A group is replicated by one session at a time; a newer session of the same source ends the older one,
/// which may be a connection that died without anybody being told.
/// </summary>
public sealed class ReplicaSite(ReplicaStore store, ReplicaOptions options, TimeProvider time, ILogger log)
{
    private readonly Lock gate = new();
    private readonly Dictionary<string, ReplicationSession> sessions = new(StringComparer.Ordinal);
    private readonly HashSet<string> rewinding = new(StringComparer.Ordinal);

    public ReplicaStore Store { get; } = store;

    public ReplicaOptions Options { get; } = options;

    /// <summary>What is served as block devices; null where this replica serves none.</summary>
    public ViewAttachments? Attachments { get; init; }

    /// <summary>Where seeds may lie; null where this replica takes none.</summary>
    public SeedDirectories? Seeds { get; init; }

    /// <summary>What this replica is ready to take, of all its sessions.</summary>
    internal CreditPool Credits { get; } = new(options.CreditBytes);

    /// <summary>What is known of the test failovers of groups.</summary>
    internal FailoverTestBook Tests { get; } = new(store.Directory);

    /// <summary>Runs long work, on a thread of the host's; where none is given, at once.</summary>
    public Action<Action> RunAside { get; init; } = static work => work();

    internal TimeProvider Time { get; } = time;

    internal ILogger Log { get; } = log;

    /// <summary>Serves one connection to its end. Ends quietly when the peer goes; throws only what the host should know.</summary>
    /// <param name="identity">What the peer's certificate allows; null on a connection that needs none (loopback, Unix socket).</param>
    public async Task ServeAsync(FramedConnection connection, PeerIdentity? identity, CancellationToken cancellation)
    {
        try
        {
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            using var timer = Time.CreateTimer(_ => deadline.Cancel(), null, Options.SilenceMax, Timeout.InfiniteTimeSpan);
            var offer = new Welcome(ProtocolVersion.Current, Software.Capabilities, Store.Identity.Id, Store.Identity.Incarnation, Software.Name);
            if (await Handshake.AnswerAsync(connection, offer, deadline.Token) is not { } greeted) return;
            timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            if (greeted.Hello.Purpose == Hello.Replicate) await new ReplicationSession(this, connection, identity, greeted.Hello.Capabilities.Contains(NoRoom.Capability)).RunAsync(cancellation);
            else await new ReadSession(this, connection, identity).RunAsync(cancellation);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            SessionLog.Silent(Log, connection.Peer, Options.SilenceMax.TotalSeconds);
        }
        catch (Exception e) when (e is ConnectionLostException or ProtocolException or RefusedException)
        {
            SessionLog.Lost(Log, connection.Peer, e.Message);
        }
    }

    /// <summary>Makes <paramref name="session"/> the one of its group; the one before is ended first.</summary>
    /// <returns>False while the group is being rewound: nobody else may append to it.</returns>
    internal async Task<bool> EnterAsync(string group, ReplicationSession session, CancellationToken cancellation)
    {
        while (true)
        {
            ReplicationSession? older;
            lock (gate)
            {
                if (rewinding.Contains(group)) return false;
                if (!sessions.TryGetValue(group, out older))
                {
                    sessions.Add(group, session);
                    return true;
                }
            }

            await older.EndAsync().WaitAsync(cancellation);
        }
    }

    /// <summary>Takes a group for a rewind, once its session has ended. Until <see cref="EndRewind"/> no session of it begins.</summary>
    /// <returns>False where a session or another rewind has it and does not end within <see cref="ReplicaOptions.RewindWait"/>.</returns>
    internal async Task<bool> TryBeginRewindAsync(string group, CancellationToken cancellation)
    {
        var poll = TimeSpan.FromMilliseconds(50);
        var started = Time.GetTimestamp();
        while (true)
        {
            lock (gate)
            {
                if (!sessions.ContainsKey(group) && rewinding.Add(group)) return true;
            }

            if (Time.GetElapsedTime(started) >= Options.RewindWait) return false;
            await Task.Delay(poll, Time, cancellation);
        }
    }

    internal void EndRewind(string group)
    {
        lock (gate) rewinding.Remove(group);
    }

    internal void Leave(string group, ReplicationSession session)
    {
        lock (gate)
        {
            if (sessions.TryGetValue(group, out var present) && ReferenceEquals(present, session)) sessions.Remove(group);
        }
    }
}
