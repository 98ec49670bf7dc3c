namespace VmRepl.Agent.Output.Reports;

/// <summary>A stretch in which every write was followed: each sequence in it, both ends included, is a recovery point.</summary>
public sealed record PointRunReport(ulong FirstSequence, DateTimeOffset FirstTime, ulong LastSequence, DateTimeOffset LastTime);
