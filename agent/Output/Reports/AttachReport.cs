namespace VmRepl.Agent.Output.Reports;

/// <summary>What <c>vmrepl attach</c> prints.</summary>
/// <param name="Id">The attachment's number at the replica.</param>
/// <param name="Exports">In the group's order.</param>
public sealed record AttachReport(string Group, ulong Sequence, DateTimeOffset Time, string? Bookmark, uint Id, bool Writable, IReadOnlyList<ExportReport> Exports);
