namespace VmRepl.Agent.Output.Reports;

/// <summary>What <c>vmrepl image create</c> prints.</summary>
/// <param name="Size">Virtual size in bytes.</param>
/// <param name="Backing">The backing file as it was written into the image, or null.</param>
public sealed record CreateReport(string File, string Format, long Size, string? Backing, string? BackingFormat);
