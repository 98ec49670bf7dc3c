namespace VmRepl.Journal.Segments;

/// <summary>A place between two commits of a segment.</summary>
/// <param name="RecordsEnd">Where the next commit goes.</param>
/// <param name="PayloadStart">Where the payload area begins; it grows towards <paramref name="RecordsEnd"/>.</param>
/// <param name="Commits">Commits before this place.</param>
internal readonly record struct SegmentCursor(long RecordsEnd, long PayloadStart, uint Commits);
