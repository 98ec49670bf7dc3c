using Microsoft.Extensions.Logging;

namespace VmRepl.Replication.Source.Following;

/// <summary>Log lines of following. Event ids 1020 to 1039.</summary>
internal static partial class FollowLog
{
    [LoggerMessage(1020, LogLevel.Warning, "Group {Group}: the link was given up: {Reason}; changes are tracked, and it is made anew")]
    public static partial void LinkGivenUp(ILogger log, string group, string reason);

    [LoggerMessage(1021, LogLevel.Information, "Group {Group}: {Decision}, because {Cause}; {Bytes} bytes are marked")]
    public static partial void Decided(ILogger log, string group, string decision, string cause, long bytes);

    [LoggerMessage(1022, LogLevel.Information, "Group {Group}: in sync from sequence {Sequence} on")]
    public static partial void InSync(ILogger log, string group, ulong sequence);

    [LoggerMessage(1023, LogLevel.Warning, "Group {Group}: no longer in sync; changes are tracked until the replica has caught up")]
    public static partial void LostSync(ILogger log, string group);

    [LoggerMessage(1026, LogLevel.Warning, "Group {Group}: the replica was away for {Seconds} s and is not waited for any longer: {Reason}; changes are tracked, and brought over when it is back")]
    public static partial void Gone(ILogger log, string group, double seconds, string reason);

    [LoggerMessage(1027, LogLevel.Information, "Group {Group}: its disks are cloned as {Clone} at sequence {Sequence}; writes were held for {Milliseconds:0.00} ms at most")]
    public static partial void Frozen(ILogger log, string group, string clone, ulong sequence, double milliseconds);

    [LoggerMessage(1025, LogLevel.Error, "Group {Group}: the record of changes cannot be kept up: {Reason}; a crash of the host would cost a comparison of everything")]
    public static partial void MarksFailed(ILogger log, string group, string reason);

    [LoggerMessage(1024, LogLevel.Error, "Group {Group}: disk {Disk} could not be let go as it should: {Reason}; the next start compares by digests")]
    public static partial void NotLetGo(ILogger log, string group, string disk, string reason);
}
