using Microsoft.Extensions.Logging;

namespace VmRepl.Replication.Replica.Attachments;

/// <summary>Every log line about attachments. Event ids 2100 to 2119.</summary>
internal static partial class AttachmentLog
{
    [LoggerMessage(2100, LogLevel.Information, "Group {Group}: attachment {Id} serves point {Sequence}, {How}")]
    public static partial void Attached(ILogger log, string group, uint id, ulong sequence, string how);

    [LoggerMessage(2101, LogLevel.Information, "Group {Group}: attachment {Id} of point {Sequence} has ended; {Kept}")]
    public static partial void Detached(ILogger log, string group, uint id, ulong sequence, string kept);

    [LoggerMessage(2102, LogLevel.Warning, "Group {Group}: attachment {Id} of point {Sequence} is not served any more: {Reason}")]
    public static partial void Lost(ILogger log, string group, uint id, ulong sequence, string reason);
}
