namespace VmRepl.Agent.Output.Reports;

/// <summary>A recovery point, named.</summary>
/// <param name="Time">The source's clock.</param>
/// <param name="Bookmark">Its bookmark, or null.</param>
public sealed record RecoveryPointReport(ulong Sequence, DateTimeOffset Time, string? Bookmark = null);
