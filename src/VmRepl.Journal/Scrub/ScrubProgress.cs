namespace VmRepl.Journal.Scrub;

/// <summary>How far a scrub is.</summary>
/// <param name="TotalBytes">Bytes of payloads, and of disks with their holes.</param>
/// <param name="DoneBytes">Of these, done.</param>
public readonly record struct ScrubProgress(long TotalBytes, long DoneBytes);
