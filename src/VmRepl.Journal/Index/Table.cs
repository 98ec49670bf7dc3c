using System.Runtime.CompilerServices;

namespace VmRepl.Journal.Index;

/// <summary>Entries that are only added, in chunks: growing copies little.</summary>
internal sealed class Table<T>
    where T : struct
{
    private const int ChunkBits = 10;
    private const int ChunkEntries = 1 << ChunkBits;

    private const int First = 16;

    private readonly List<T[]> chunks = [];
    private int capacity;

    public int Count { get; private set; }

    public long Bytes => (long)capacity * Unsafe.SizeOf<T>();

    public ref readonly T this[int i] => ref chunks[i >> ChunkBits][i & (ChunkEntries - 1)];

    /// <summary>Returns the entry's number.</summary>
    public int Add(in T entry)
    {
        if (Count == capacity) Grow();
        chunks[Count >> ChunkBits][Count & (ChunkEntries - 1)] = entry;
        return Count++;
    }

    /// <summary>The first chunk grows, so that a table of few entries is small.</summary>
    private void Grow()
    {
        if (capacity is > 0 and < ChunkEntries)
        {
            var chunk = chunks[0];
            Array.Resize(ref chunk, 2 * capacity);
            chunks[0] = chunk;
            capacity *= 2;
            return;
        }

        chunks.Add(new T[capacity == 0 ? First : ChunkEntries]);
        capacity += chunks[^1].Length;
    }
}
