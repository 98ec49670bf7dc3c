using Microsoft.Extensions.Logging;

namespace VmRepl.Replication.Source;

/// <summary>Every log line of the source's side. Event ids 1000 to 1099.</summary>
internal static partial class LinkLog
{
    [LoggerMessage(1000, LogLevel.Information, "Group {Group}: connected to {Peer}; phase {Phase}, durable up to {Durable}")]
    public static partial void Connected(ILogger log, string group, string peer, string phase, ulong durable);

    [LoggerMessage(1001, LogLevel.Warning, "Group {Group}: {Peer} cannot be reached: {Reason}; next attempt in {Seconds:0.0} s")]
    public static partial void Retrying(ILogger log, string group, string peer, string reason, double seconds);

    [LoggerMessage(1002, LogLevel.Warning, "Group {Group}: the connection to {Peer} ended: {Reason}; reconnecting")]
    public static partial void Lost(ILogger log, string group, string peer, string reason);

    [LoggerMessage(1003, LogLevel.Information, "Group {Group}: recovery point {Sequence} is durable; {ChangedBytes} bytes changed, {BytesSent} sent in {Seconds:0.0} s")]
    public static partial void Point(ILogger log, string group, ulong sequence, long changedBytes, long bytesSent, double seconds);

    [LoggerMessage(1004, LogLevel.Error, "Group {Group}: the round failed: {Reason}")]
    public static partial void RoundFailed(ILogger log, string group, string reason);

    [LoggerMessage(1006, LogLevel.Warning, "Group {Group}: waiting for room at the replica: {Reason}")]
    public static partial void WaitingForRoom(ILogger log, string group, string reason);

    [LoggerMessage(1007, LogLevel.Information, "Group {Group}: the replica took {Bytes} bytes of disk {Disk} from {File}, {HowFar}")]
    public static partial void Seeded(ILogger log, string group, string disk, long bytes, string file, string howFar);

    [LoggerMessage(1005, LogLevel.Warning, "Group {Group}: the round begins anew: {Reason}")]
    public static partial void Restarting(ILogger log, string group, string reason);
}
