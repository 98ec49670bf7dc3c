namespace VmRepl.Simulation.Workload;

/// <summary>What a part of a segment's file is.</summary>
internal enum SegmentPlaceKind
{
    Header,
    Commit,

    /// <summary>A payload outside its commit.</summary>
    Payload,

    /// <summary>That of a hand-down, of which nothing may be needed any more: then nobody looks at it.</summary>
    HandDown,
}
