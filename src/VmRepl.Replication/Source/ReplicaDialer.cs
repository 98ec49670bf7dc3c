using System.Runtime.ExceptionServices;
using Microsoft.Extensions.Logging;
using Polly;
using Polly.Retry;
using VmRepl.Protocol;
using VmRepl.Protocol.Connections;
using VmRepl.Protocol.Messages;
using VmRepl.Protocol.Security;

namespace VmRepl.Replication.Source;

/// <summary>Makes connections on which one group is open, and says in words that name the group why there is none.</summary>
/// <param name="drop">Ends a connection that came to nothing.</param>
internal sealed class ReplicaDialer(IReplicaConnector connector, OpenGroup opening, LinkOptions options, TimeProvider time, ILogger log, Func<FramedConnection?, Task> drop)
{
    private readonly ResiliencePipeline persisting = new ResiliencePipelineBuilder { TimeProvider = time }
        .AddTimeout(options.RetryFor)
        .AddRetry(new RetryStrategyOptions
        {
            MaxRetryAttempts = int.MaxValue,
            BackoffType = DelayBackoffType.Exponential,
            UseJitter = true,
            Randomizer = options.Jitter ?? new RetryStrategyOptions().Randomizer,
            Delay = options.RetryDelay,
            MaxDelay = options.RetryDelayMax,
            ShouldHandle = new PredicateBuilder().Handle<IOException>().Handle<ProtocolException>(),
            OnRetry = attempt =>
            {
                LinkLog.Retrying(log, opening.Group, connector.Peer, attempt.Outcome.Exception?.Message ?? "", attempt.RetryDelay.TotalSeconds);
                return default;
            },
        })
        .Build();

    /// <summary>Why the newest connection ended, or did not come about; empty where there was none.</summary>
    public string LastReason { get; set; } = "";

    /// <summary>Tries until it succeeds, with back-off, for as long as the options say.</summary>
    /// <exception cref="ReplicationException">The replica refused, or it took too long.</exception>
    public async Task<T> PersistAsync<T>(Func<CancellationToken, Task<T>> attempt, CancellationToken cancellation)
    {
        try
        {
            return await persisting.ExecuteAsync(async token => await attempt(token), cancellation);
        }
        catch (Polly.Timeout.TimeoutRejectedException e)
        {
            var reason = LastReason.Length > 0 ? $": {LastReason}" : "";
            throw new ReplicationException(opening.Group, $"group {opening.Group}: the replica {connector.Peer} could not be reached for {options.RetryFor.TotalSeconds:0} s{reason}",
                "Look whether the replica runs and the address is right, then sync again; earlier points are kept.", cause: e);
        }
    }

    /// <summary>Dials once, greets and opens the group; sends nothing else.</summary>
    public async Task<OpenedGroup> DialAsync(CancellationToken cancellation)
    {
        FramedConnection? fresh = null;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        using var timer = time.CreateTimer(_ => limit.Cancel(), null, options.ConnectTimeout, Timeout.InfiniteTimeSpan);
        try
        {
            fresh = new FramedConnection(await connector.ConnectTransportAsync(limit.Token));
            var welcome = await Handshake.GreetAsync(fresh, new Hello(ProtocolVersion.Oldest, ProtocolVersion.Current, Software.Capabilities, opening.SourceId, Software.Name, Hello.Replicate), limit.Token);
            if (opening.Seeds.Length > 0 && !welcome.Capabilities.Contains(SeedDisk.Capability))
                throw new ReplicationException(opening.Group, $"group {opening.Group}: the replica {connector.Peer} ({welcome.Software}) knows nothing of seeds", "Protect the group without --seed, or give the replica a newer release.", isRefusal: true);
            if (opening.CloneOf is not null && !welcome.Capabilities.Contains(ListClones.Capability))
                throw new ReplicationException(opening.Group, $"group {opening.Group}: the replica {connector.Peer} ({welcome.Software}) knows nothing of clones", "Give the replica a newer release.", isRefusal: true);
            await fresh.SendAsync(opening, limit.Token);
            var state = Expect<GroupState>(await fresh.ReceiveAsync(limit.Token), fresh);
            // Numbers go on behind the replica's: a peer must not bring them near their end.
            if (state.Durable > long.MaxValue) throw new ProtocolException("group state durable", 0, "a sequence below 2^63", $"{state.Durable}");
            LinkLog.Connected(log, opening.Group, connector.Peer, state.Phase, state.Durable);
            return new OpenedGroup(fresh, welcome, state);
        }
        catch (Exception e)
        {
            if (fresh is not null) await drop(fresh);
            var isLate = e is OperationCanceledException && !cancellation.IsCancellationRequested;
            if (isLate) LastReason = $"no answer within {options.ConnectTimeout.TotalSeconds:0} s";
            else if (e is not OperationCanceledException) LastReason = e.Message;
            // Called off because all the time for trying is over: the reason is that of the attempt before.
            else if (LastReason.Length == 0) LastReason = "no answer";
            throw e switch
            {
                _ when isLate => new IOException(LastReason),
                RefusedException r => new ReplicationException(opening.Group, Named(r.Message), r.Hint, isRefusal: true, e),
                PeerAuthenticationException p => new ReplicationException(opening.Group, Named(p.Message), p.Hint, isRefusal: true, e),
                _ => ExceptionDispatchInfo.Capture(e).SourceException,
            };
        }
    }

    /// <summary>The message as what was due; what the replica said instead, as a failure.</summary>
    public T Expect<T>(IMessage? message, FramedConnection from)
        where T : class, IMessage => message switch
        {
            T expected => expected,
            Refusal r => throw new ReplicationException(opening.Group, Named(r.Message), r.Hint, isRefusal: r.Code is RefusalCode.Certificate or RefusalCode.NotAllowed or RefusalCode.GroupTaken or RefusalCode.StaleEpoch or RefusalCode.SeedRefused),
            Failure f => throw new ReplicationException(opening.Group, Named(f.Message), f.Hint, isRefusal: f.Code is RefusalCode.BookmarkTaken),
            null => throw new IOException($"{from.Peer} closed the connection"),
            _ => throw new ProtocolException("message", 0, typeof(T).Name, message.Type.ToString()),
        };

    private string Named(string message) => message.Contains(opening.Group, StringComparison.Ordinal) ? message : $"group {opening.Group}: {message}";
}
