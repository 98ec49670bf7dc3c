namespace VmRepl.Simulation.Workload;

/// <summary>What a part of a segment's file is.</summary>
internal enum SegmentPlaceKind
{
    Header,
    Commit,

    /// <summary>A payload outside its commit.</summary>
    Payload,
}
