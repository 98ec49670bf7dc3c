namespace VmRepl.Journal;

/// <summary>Something in a store does not verify against its checksum or cannot be what was written. Nothing was changed.</summary>
/// <param name="path">File of the store.</param>
/// <param name="offset">Byte offset in that file, or -1.</param>
/// <param name="problem">What does not hold, as the end of a sentence; names disk and sectors where they are known.</param>
public sealed class JournalDamagedException(string path, long offset, string problem, Exception? cause = null)
    : Exception(offset < 0 ? $"{path}: {problem}" : $"{path}, offset {offset}: {problem}", cause)
{
    public string Path { get; } = path;

    public long Offset { get; } = offset;
}
