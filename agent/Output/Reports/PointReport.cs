namespace VmRepl.Agent.Output.Reports;

/// <summary>One recovery point.</summary>
/// <param name="Time">The source's clock.</param>
/// <param name="Bookmark">Its bookmark, or null.</param>
/// <param name="Consistency">"crash" or "application".</param>
/// <param name="RewindBytes">Bytes that go back when the live images are taken to it.</param>
/// <param name="RewindSeconds">How long that takes at the rate lately measured; null where none was.</param>
public sealed record PointReport(ulong Sequence, DateTimeOffset Time, string? Bookmark, string Consistency, long RewindBytes, double? RewindSeconds);
