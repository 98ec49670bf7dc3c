using VmRepl.Journal.Index;
using VmRepl.Journal.Segments;

namespace VmRepl.Journal.Scrub;

/// <summary>A segment as it was at one moment: what is appended later is not in it.</summary>
/// <param name="Records">Its records, in order.</param>
/// <param name="Commits">Where each commit begins, and the number of its first record.</param>
/// <param name="RecordsEnd">Where the last commit ends.</param>
internal sealed record SegmentSnapshot(SegmentFile Segment, StoredRecord[] Records, (long Offset, int FirstRecord)[] Commits, long RecordsEnd);
