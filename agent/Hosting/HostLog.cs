using Microsoft.Extensions.Logging;

namespace VmRepl.Agent.Hosting;

/// <summary>Every log line of the hosts. Event ids 3000 to 3099.</summary>
internal static partial class HostLog
{
    [LoggerMessage(3000, LogLevel.Information, "Replica: store {Store} ({StoreId}, incarnation {Incarnation}), {Groups} groups; listening on {EndPoint}, {Security}")]
    public static partial void ReplicaStarted(ILogger log, string store, Guid storeId, ulong incarnation, int groups, string endPoint, string security);

    [LoggerMessage(3001, LogLevel.Error, "Replica: group {Group} cannot be opened: {Reason}")]
    public static partial void GroupFault(ILogger log, string group, string reason);

    [LoggerMessage(3008, LogLevel.Warning, "Replica: group {Group}: {Sentence}")]
    public static partial void GroupNotice(ILogger log, string group, string sentence);

    [LoggerMessage(3002, LogLevel.Warning, "Replica: a peer at {Peer} was turned away: {Reason}")]
    public static partial void TurnedAway(ILogger log, string peer, string reason);

    [LoggerMessage(3003, LogLevel.Error, "Replica: a session failed: {Reason}")]
    public static partial void SessionFault(ILogger log, string reason, Exception cause);

    [LoggerMessage(3004, LogLevel.Information, "Agent: state {State}; {Groups} groups; commands on {Socket}")]
    public static partial void AgentStarted(ILogger log, string state, int groups, string socket);

    [LoggerMessage(3005, LogLevel.Information, "{Role}: stopped")]
    public static partial void Stopped(ILogger log, string role);

    [LoggerMessage(3006, LogLevel.Warning, "Replica: accepting a connection failed: {Reason}")]
    public static partial void AcceptFailed(ILogger log, string reason);

    [LoggerMessage(3009, LogLevel.Information, "Replica: NBD on {Address}, {Security}")]
    public static partial void NbdStarted(ILogger log, string address, string security);

    [LoggerMessage(3010, LogLevel.Information, "Agent: served disks on {Address}")]
    public static partial void DisksServed(ILogger log, string address);

    [LoggerMessage(3011, LogLevel.Error, "Agent: clones are not watched any more, by a fault of this program: {Reason}. Start the agent anew; nothing that was dropped is forgotten")]
    public static partial void DropWatchFault(ILogger log, string reason, Exception cause);

    [LoggerMessage(3007, LogLevel.Warning, "{Role}: peers will refuse this side's certificate. {Reason}")]
    public static partial void OwnCertificateInvalid(ILogger log, string role, string reason);
}
