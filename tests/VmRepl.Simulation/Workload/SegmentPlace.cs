namespace VmRepl.Simulation.Workload;

/// <summary>A part of a segment's file in which every bit counts.</summary>
/// <param name="Segment">The file's name.</param>
/// <param name="Commit">The commit that it belongs to, counted from 0; -1 for the header.</param>
internal sealed record SegmentPlace(string Segment, SegmentPlaceKind Kind, long Offset, long Length, int Commit);
