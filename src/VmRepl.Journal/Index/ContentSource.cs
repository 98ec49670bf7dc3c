using VmRepl.Blocks;
using VmRepl.Journal.Segments;

namespace VmRepl.Journal.Index;

/// <summary>Where the contents of a range of a disk at one point come from.</summary>
/// <param name="Range">Bytes of the disk.</param>
/// <param name="Record">The record that holds them, or null for the live image.</param>
/// <param name="Segment">The segment that the record stands in, where it is held for reading.</param>
/// <param name="IsTouchedAfter">Whether a record after the point touches it, or may: otherwise the live image holds it too, once everything up to the point is applied.</param>
internal readonly record struct ContentSource(Extent Range, RecordRef? Record, SegmentFile? Segment = null, bool IsTouchedAfter = true);
