namespace VmRepl.Blocks.Files;

/// <summary>A run of a file's own allocation: data, or a hole that reads as zeros.</summary>
public readonly record struct FileRun(long Offset, long Length, bool IsHole)
{
    public long End => Offset + Length;
}
