namespace VmRepl.Protocol.Messages;

/// <summary>What a source promises its writers about the replica, in the words of <see cref="OpenGroup.AckMode"/>.</summary>
public static class AckMode
{
    /// <summary>Rounds; nobody waits for the replica.</summary>
    public const string Snapshot = "snapshot";

    /// <summary>Every write is followed; nobody waits for the replica.</summary>
    public const string Async = "async";

    /// <summary>A write waits until the lag or the latency passes a bound.</summary>
    public const string SemiSync = "semi-sync";

    /// <summary>A write waits until it is durable at the replica, as long as the lease holds.</summary>
    public const string Sync = "sync";
}
