namespace VmRepl.Agent.Output.Reports;

/// <summary>What <c>vmrepl restore-vm</c> prints: which moment, and the proof.</summary>
/// <param name="Bookmark">The point's bookmark, or null.</param>
/// <param name="Directory">Where the files are.</param>
public sealed record RestoreReport(string Group, ulong Sequence, DateTimeOffset Time, string? Bookmark, string Directory, IReadOnlyList<RestoredDisk> Disks, double DurationSeconds);
