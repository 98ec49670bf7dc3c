namespace VmRepl.Images.Operations;

/// <summary>What a copy moved.</summary>
/// <param name="BytesRead">Read from the source; holes are not.</param>
/// <param name="BytesWritten">Written to the target; zeros are not.</param>
public readonly record struct ConvertResult(long BytesRead, long BytesWritten);
