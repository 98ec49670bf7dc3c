using VmRepl.Journal.Points;
using VmRepl.Journal.Rewind;

namespace VmRepl.Replication.Reading;

/// <summary>What of a group's past can be had.</summary>
/// <param name="Points">The points that records made, oldest first, each with what it takes to take the live images back to it.</param>
/// <param name="Runs">The stretches in which every sequence is a point, oldest first.</param>
public sealed record RecoveryRange(IReadOnlyList<PointCost> Points, IReadOnlyList<PointRun> Runs);
