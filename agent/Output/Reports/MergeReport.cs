namespace VmRepl.Agent.Output.Reports;

/// <summary>What <c>vmrepl image merge</c> prints.</summary>
/// <param name="Size">Virtual size in bytes.</param>
/// <param name="Chain">The images that were merged, the topmost first, by the paths they were opened at.</param>
public sealed record MergeReport(string File, string Format, long Size, long BytesRead, long BytesWritten, IReadOnlyList<string> Chain);
