namespace VmRepl.Replication.Source.Tracking;

/// <summary>
/// How many writes of each chunk are under way: a hash table with open addressing, in which a chunk takes 12 bytes while its count is above 0. It grows and does not shrink; what is under way at one time is bounded by the
/// stream's buffer. Not safe for concurrent use.
/// </summary>
internal sealed class ChunkCounters
{
    private const int LeastSlots = 64;

    // A chunk's number plus one, so that 0 is an empty slot.
    private long[] keys = new long[LeastSlots];
    private int[] counts = new int[LeastSlots];
    private int shift = 64 - 6;

    /// <summary>Chunks whose count is above 0.</summary>
    public int Count { get; private set; }

    public long MemoryBytes => keys.LongLength * (sizeof(long) + sizeof(int));

    public IEnumerable<long> Chunks => keys.Where(k => k != 0).Select(k => k - 1);

    public int this[long chunk] => Count == 0 ? 0 : counts[Find(chunk + 1)];

    /// <returns>The new count.</returns>
    public int Increment(long chunk)
    {
        var slot = Find(chunk + 1);
        if (keys[slot] == 0)
        {
            if (Count + 1 > keys.Length / 2)
            {
                Grow();
                slot = Find(chunk + 1);
            }

            keys[slot] = chunk + 1;
            Count++;
        }

        return counts[slot] = checked(counts[slot] + 1);
    }

    /// <returns>What is left.</returns>
    /// <exception cref="InvalidOperationException">The count is 0.</exception>
    public int Decrement(long chunk)
    {
        var slot = Find(chunk + 1);
        if (keys[slot] == 0) throw new InvalidOperationException($"a write of chunk {chunk} ended that did not begin");
        if (--counts[slot] > 0) return counts[slot];
        Remove(slot);
        return 0;
    }

    /// <summary>The slot of a key, or the empty one where it would go.</summary>
    private int Find(long key)
    {
        var slot = Home(key);
        while (keys[slot] != 0 && keys[slot] != key) slot = (slot + 1) & (keys.Length - 1);
        return slot;
    }

    // Neighbouring chunks are far apart here, so that runs of writes do not make runs of slots.
    private int Home(long key) => (int)((ulong)key * 0x9E3779B97F4A7C15 >> shift);

    /// <summary>Empties a slot and moves back what may no longer be behind it, so that no search ends too early.</summary>
    private void Remove(int hole)
    {
        Count--;
        var mask = keys.Length - 1;
        for (var slot = (hole + 1) & mask; keys[slot] != 0; slot = (slot + 1) & mask)
        {
            if (((slot - Home(keys[slot])) & mask) < ((slot - hole) & mask)) continue;
            (keys[hole], counts[hole]) = (keys[slot], counts[slot]);
            hole = slot;
        }

        (keys[hole], counts[hole]) = (0, 0);
    }

    private void Grow()
    {
        var (oldKeys, oldCounts) = (keys, counts);
        (keys, counts) = (new long[oldKeys.Length * 2], new int[oldKeys.Length * 2]);
        shift--;
        for (var i = 0; i < oldKeys.Length; i++)
        {
            if (oldKeys[i] == 0) continue;
            var slot = Find(oldKeys[i]);
            (keys[slot], counts[slot]) = (oldKeys[i], oldCounts[i]);
        }
    }
}
