using VmRepl.Journal.Segments;

namespace VmRepl.Journal.Scrub;

/// <summary>A segment as it was at one moment: what is appended later is not in it.</summary>
/// <param name="End">Behind its last commit.</param>
internal sealed record SegmentSnapshot(SegmentFile Segment, SegmentCursor End);
