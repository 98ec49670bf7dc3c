namespace VmRepl.Journal.Store;

/// <summary>What a group that holds a clone is a clone of. Such a group has one disk and one recovery point, that of its baseline.</summary>
/// <param name="Owner">The group whose clone it is.</param>
/// <param name="Disk">The owner's disk.</param>
/// <param name="Base">How that was found out, for people.</param>
/// <param name="Name">What it is called by people; never used as a path.</param>
/// <param name="TimeUs">When the clone was last written, microseconds since 1970 UTC, up to the year 9999.</param>
public sealed record CloneDescription(string Owner, string Disk, string Base, string Name, long TimeUs)
{
    internal const long TimeUsMax = 253_402_300_799_000_000;

    public DateTimeOffset Time => DateTimeOffset.UnixEpoch.AddTicks(TimeUs * TimeSpan.TicksPerMicrosecond);
}
