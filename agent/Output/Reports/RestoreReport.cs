namespace VmRepl.Agent.Output.Reports;

/// <summary>What <c>vmrepl restore-vm</c> prints: which moment, and the proof.</summary>
/// <param name="Bookmark">The point's bookmark, or null.</param>
/// <param name="Directory">Where the files are.</param>
/// <param name="DurationSeconds">All of it: writing, and verifying what was written.</param>
/// <param name="WriteSeconds">Writing the disks and making them durable.</param>
public sealed record RestoreReport(string Group, ulong Sequence, DateTimeOffset Time, string? Bookmark, string Directory, IReadOnlyList<RestoredDisk> Disks, double DurationSeconds, double WriteSeconds);
