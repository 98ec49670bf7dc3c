using VmRepl.Journal.Index;

namespace VmRepl.Journal.Segments;

/// <summary>A commit as it stands in a segment.</summary>
/// <param name="Serial">Of the segment.</param>
/// <param name="Before">The place that it begins at.</param>
/// <param name="Checksum">CRC-32C of its body, which the next commit names.</param>
/// <param name="Incarnation">The store's when it was written.</param>
/// <param name="Stored">Its records, in order; not to be kept, since they keep the whole commit in memory.</param>
internal sealed record Commit(ulong Serial, SegmentCursor Before, uint Checksum, ulong Incarnation, List<StoredRecord> Stored);
