namespace VmRepl.Agent.Output.Reports;

/// <summary>What <c>vmrepl image convert</c> prints.</summary>
/// <param name="File">The image made.</param>
/// <param name="Size">Virtual size in bytes.</param>
/// <param name="BytesRead">Read from the source; holes are not.</param>
/// <param name="BytesWritten">Written to the target; zeros are not.</param>
public sealed record ConvertReport(string File, string Format, long Size, long BytesRead, long BytesWritten);
