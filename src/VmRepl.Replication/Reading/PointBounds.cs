namespace VmRepl.Replication.Reading;

/// <summary>Where a group's recovery range begins and ends. Times are microseconds since 1970.</summary>
public sealed record PointBounds(long OldestUs, ulong NewestSequence, long NewestUs);
