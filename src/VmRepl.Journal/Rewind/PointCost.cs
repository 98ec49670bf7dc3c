using VmRepl.Journal.Points;

namespace VmRepl.Journal.Rewind;

/// <summary>What it takes to go back to a point.</summary>
/// <param name="Point">The point.</param>
/// <param name="RewindBytes">Bytes of the group's disks that a record after the point touches, each counted once.</param>
/// <param name="RewindSeconds">How long that takes at the rate of recent appends; null where none was measured.</param>
public sealed record PointCost(RecoveryPoint Point, long RewindBytes, double? RewindSeconds);
