namespace VmRepl.Agent.Output.Reports;

/// <summary>What <c>vmrepl image resize</c> prints.</summary>
/// <param name="SizeBefore">Virtual size in bytes, as it was.</param>
/// <param name="Size">Virtual size in bytes, as it is.</param>
public sealed record ResizeReport(string File, string Format, long SizeBefore, long Size);
