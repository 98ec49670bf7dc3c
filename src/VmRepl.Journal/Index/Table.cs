using System.Runtime.CompilerServices;

namespace VmRepl.Journal.Index;

/// <summary>Entries that are only added and never move, in chunks: growing copies nothing.</summary>
internal sealed class Table<T>
    where T : struct
{
    private const int ChunkBits = 10;
    private const int ChunkEntries = 1 << ChunkBits;

    private readonly List<T[]> chunks = [];

    public int Count { get; private set; }

    public long Bytes => (long)chunks.Count * ChunkEntries * Unsafe.SizeOf<T>();

    public ref readonly T this[int i] => ref chunks[i >> ChunkBits][i & (ChunkEntries - 1)];

    /// <summary>Returns the entry's number.</summary>
    public int Add(in T entry)
    {
        if (Count == chunks.Count << ChunkBits) chunks.Add(new T[ChunkEntries]);
        chunks[Count >> ChunkBits][Count & (ChunkEntries - 1)] = entry;
        return Count++;
    }
}
