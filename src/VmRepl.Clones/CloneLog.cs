using Microsoft.Extensions.Logging;

namespace VmRepl.Clones;

/// <summary>Every log line about clones. Event ids 4000 to 4099.</summary>
internal static partial class CloneLog
{
    [LoggerMessage(4000, LogLevel.Information, "Clones: {Directory} is watched")]
    public static partial void Watched(ILogger log, string directory);

    [LoggerMessage(4001, LogLevel.Warning, "Clones: {Directory} cannot be listed: {Reason}; what is known of it stays as it is")]
    public static partial void NotListed(ILogger log, string directory, string reason);

    [LoggerMessage(4002, LogLevel.Information, "Clones: {File} is a clone of {Base}; it goes to the replica as {Clone}")]
    public static partial void Found(ILogger log, string file, string @base, string clone);

    [LoggerMessage(4003, LogLevel.Warning, "Clones: {File} is quarantined: {Reason}")]
    public static partial void Quarantined(ILogger log, string file, string reason);

    [LoggerMessage(4004, LogLevel.Information, "Clones: {File} is protected; {OwnBytes} bytes were its own, {BytesSent} sent in {Seconds:0.0} s")]
    public static partial void Protected(ILogger log, string file, long ownBytes, long bytesSent, double seconds);

    [LoggerMessage(4005, LogLevel.Warning, "Clones: {File} is not at the replica yet: {Reason}; next attempt in {Seconds:0} s")]
    public static partial void Retrying(ILogger log, string file, string reason, double seconds);

    [LoggerMessage(4006, LogLevel.Information, "Clones: {File} is gone; the replica keeps what it has of it")]
    public static partial void Gone(ILogger log, string file);

    [LoggerMessage(4007, LogLevel.Error, "Clones: the list of what was dropped cannot be kept: {Reason}; nothing new is sent until it can")]
    public static partial void ListFailed(ILogger log, string reason);

    [LoggerMessage(4008, LogLevel.Warning, "Clones: {Directory} holds more than {Files} files; those beyond are not looked at")]
    public static partial void TooMany(ILogger log, string directory, int files);

    [LoggerMessage(4010, LogLevel.Warning, "Clones: what is known of {Clone} cannot be kept: {Reason}; it is found out anew at the next start")]
    public static partial void MadeNotKept(ILogger log, string clone, string reason);

    [LoggerMessage(4011, LogLevel.Error, "Clones: {Clone} cannot be made: {Reason}")]
    public static partial void MadeFailed(ILogger log, string clone, string reason);

    [LoggerMessage(4012, LogLevel.Warning, "Clones: disk {Disk} of {Clone} cannot be made of its point alone, and is compared by digests: {Reason}")]
    public static partial void Compared(ILogger log, string clone, string disk, string reason);

    [LoggerMessage(4013, LogLevel.Information, "Clones: disk {Disk} of {Clone} was read back from the replica, since its copy here did not end")]
    public static partial void Fetched(ILogger log, string clone, string disk);

    [LoggerMessage(4014, LogLevel.Information, "Clones: {Clone} is protected; {OwnBytes} bytes were its own, {Seconds:0.0} s after it was asked for")]
    public static partial void MadeProtected(ILogger log, string clone, long ownBytes, double seconds);
}
