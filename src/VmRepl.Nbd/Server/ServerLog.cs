using Microsoft.Extensions.Logging;

namespace VmRepl.Nbd.Server;

/// <summary>Every log line of the NBD server. Event ids 5000 to 5099.</summary>
internal static partial class ServerLog
{
    [LoggerMessage(5000, LogLevel.Debug, "NBD {Peer}: connected")]
    public static partial void Connected(ILogger log, string peer);

    [LoggerMessage(5001, LogLevel.Information, "NBD {Peer}: opened {Export}, {Bytes} bytes")]
    public static partial void Opened(ILogger log, string peer, string export, long bytes);

    [LoggerMessage(5002, LogLevel.Information, "NBD {Peer}: closed {Export} after {Requests} requests")]
    public static partial void Closed(ILogger log, string peer, string export, long requests);

    [LoggerMessage(5003, LogLevel.Warning, "NBD {Peer}: cut off: {Reason}")]
    public static partial void CutOff(ILogger log, string peer, string reason);

    [LoggerMessage(5004, LogLevel.Warning, "NBD {Peer}: did not get {Export}: {Reason}")]
    public static partial void NotOpened(ILogger log, string peer, string export, string reason);

    [LoggerMessage(5005, LogLevel.Warning, "NBD {Peer}: {Export}: {Command} of {Length} bytes at {Offset} failed: {Reason}")]
    public static partial void RequestFailed(ILogger log, string peer, string export, string command, uint length, ulong offset, string reason);

    [LoggerMessage(5006, LogLevel.Error, "NBD {Peer}: a fault of the server: {Reason}")]
    public static partial void Fault(ILogger log, string peer, string reason, Exception cause);

    [LoggerMessage(5007, LogLevel.Warning, "NBD: a connection could not be accepted: {Reason}")]
    public static partial void AcceptFailed(ILogger log, string reason);

    [LoggerMessage(5008, LogLevel.Debug, "NBD {Peer}: the connection ended before an export was opened: {Reason}")]
    public static partial void EndedEarly(ILogger log, string peer, string reason);
}
