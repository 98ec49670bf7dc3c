namespace VmRepl.Agent.Output.Reports;

/// <summary>One recovery point.</summary>
/// <param name="Time">The source's clock.</param>
/// <param name="Bookmark">Its bookmark, or null.</param>
/// <param name="Consistency">"crash" or "application".</param>
public sealed record PointReport(ulong Sequence, DateTimeOffset Time, string? Bookmark, string Consistency);
