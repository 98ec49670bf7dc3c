using Microsoft.Extensions.Logging;

namespace VmRepl.Replication.Replica;

/// <summary>Every log line of the replica's sessions. Event ids 2000 to 2099.</summary>
internal static partial class SessionLog
{
    [LoggerMessage(2000, LogLevel.Information, "Group {Group}: {Peer} replicates; phase {Phase}, durable up to {Durable}")]
    public static partial void Opened(ILogger log, string group, string peer, string phase, ulong durable);

    [LoggerMessage(2001, LogLevel.Warning, "Group {Group}: refused {Peer}: {Reason}")]
    public static partial void Refused(ILogger log, string group, string peer, string reason);

    [LoggerMessage(2002, LogLevel.Information, "Group {Group}: recovery point {Sequence} is durable")]
    public static partial void Point(ILogger log, string group, ulong sequence);

    [LoggerMessage(2003, LogLevel.Warning, "{Peer}: the connection ended: {Reason}")]
    public static partial void Lost(ILogger log, string peer, string reason);

    [LoggerMessage(2004, LogLevel.Warning, "{Peer}: nothing came for {Seconds} s; the session is closed")]
    public static partial void Silent(ILogger log, string peer, double seconds);

    [LoggerMessage(2005, LogLevel.Error, "Group {Group}: {Problem}")]
    public static partial void Failed(ILogger log, string group, string problem, Exception? cause);

    [LoggerMessage(2013, LogLevel.Information, "Group {Group}: test failover to point {Sequence} {Outcome}")]
    public static partial void Tested(ILogger log, string group, ulong sequence, string outcome);

    [LoggerMessage(2010, LogLevel.Information, "Group {Group}: {Peer} rewinds it to point {Target}; {Bytes} bytes go back")]
    public static partial void Rewinding(ILogger log, string group, string peer, ulong target, long bytes);

    [LoggerMessage(2011, LogLevel.Information, "Group {Group}: rewound to point {Target}, which point {Made} now equals")]
    public static partial void Rewound(ILogger log, string group, ulong target, ulong made);

    [LoggerMessage(2012, LogLevel.Error, "Group {Group}: a rewind did not end: {Problem}")]
    public static partial void RewindFailed(ILogger log, string group, string problem, Exception cause);

    [LoggerMessage(2007, LogLevel.Warning, "Group {Group}: no room, the source waits: {Reason}")]
    public static partial void WaitingForRoom(ILogger log, string group, string reason);

    [LoggerMessage(2008, LogLevel.Information, "Group {Group}: there is room again, the source goes on")]
    public static partial void RoomAgain(ILogger log, string group);

    [LoggerMessage(2006, LogLevel.Information, "Group {Group}: the session of {Peer} ended")]
    public static partial void Closed(ILogger log, string group, string peer);

    [LoggerMessage(2014, LogLevel.Information, "Group {Group}: disk {Disk} is filled from {File}, a disk of {Length} bytes")]
    public static partial void Seeding(ILogger log, string group, string file, long length, uint disk);

    [LoggerMessage(2015, LogLevel.Information, "Group {Group}: disk {Disk}: {Bytes} bytes taken from {File}, {HowFar}")]
    public static partial void Seeded(ILogger log, string group, string file, uint disk, long bytes, string howFar);

    [LoggerMessage(2016, LogLevel.Warning, "Group {Group}: the seed {File} is not used: {Reason}")]
    public static partial void SeedUnused(ILogger log, string group, string file, string reason);

    [LoggerMessage(2020, LogLevel.Error, "Group {Group}: damaged: disk {Disk}, {Sectors} sectors from {FirstSector} on: {Where}; {Points} recovery points are spoiled")]
    public static partial void Damaged(ILogger log, string group, string disk, long firstSector, long sectors, string where, long points);

    [LoggerMessage(2021, LogLevel.Information, "Group {Group}: scrubbed, {Damage} damaged; {ScannedBytes} bytes read, {Regions} regions verified in {Seconds} s")]
    public static partial void Scrubbed(ILogger log, string group, long damage, long scannedBytes, long regions, double seconds);
}
