namespace VmRepl.Agent.Output.Reports;

/// <summary>One disk of a planned restore.</summary>
/// <param name="File">The file that would be written.</param>
/// <param name="Size">Virtual size in bytes.</param>
/// <param name="ReadBytes">Bytes that would be read for it.</param>
/// <param name="WriteBytes">Bytes that would be written for it, at most.</param>
public sealed record PlannedDisk(string Name, string File, string Format, long Size, long ReadBytes, long WriteBytes);
