namespace VmRepl.Images.Operations;

/// <summary>What <see cref="ImageDiffer"/> found and wrote.</summary>
/// <param name="BytesRead">Read from both images together; what is the same range of the same file, or zeros in both, is not.</param>
/// <param name="BytesWritten">Contents written into the overlay.</param>
/// <param name="BytesZeroed">Contents of the old image that are zeros in the new one.</param>
public readonly record struct DiffResult(long BytesRead, long BytesWritten, long BytesZeroed);
