using System.Buffers;
using VmRepl.Blocks;

namespace VmRepl.Images.Vhd;

/// <summary>Where a disk's blocks lie, in the order of the file, to find those that lie over each other and what is free between them. In a borrowed array: of four million blocks it has 16 MiB, and is wanted more than once.</summary>
/// <param name="count">Blocks at most.</param>
/// <param name="storedBytes">What a block takes in the file.</param>
/// <param name="lastStoredBytes">What the disk's last one takes, of which the disk may have a part.</param>
internal sealed class BlockPlaces(int count, long storedBytes, long lastStoredBytes) : IDisposable
{
    private uint[] places = ArrayPool<uint>.Shared.Rent(count);
    private long last = -1;

    public int Count { get; private set; }

    /// <summary>What the block takes that is the <paramref name="index"/>th in the file, after <see cref="Sort"/>.</summary>
    public Extent this[int index] => new((long)places[index] * VhdLayout.SectorBytes, places[index] == last ? lastStoredBytes : storedBytes);

    /// <summary>Adds one; what is more than was said is left out, since a table can change while it is read.</summary>
    /// <param name="place">First sector.</param>
    /// <param name="isLast">Whether it is the disk's last block.</param>
    public void Add(uint place, bool isLast)
    {
        if (Count == count) return;
        places[Count++] = place;
        if (isLast) last = place;
    }

    /// <summary>By digits of eleven bits: of four million places in disorder that takes a fifth of what comparing them does.</summary>
    public void Sort()
    {
        const int bits = 11, digits = 1 << bits;
        if (IsSorted()) return;
        var other = ArrayPool<uint>.Shared.Rent(Count);
        Span<int> ends = stackalloc int[digits];
        for (var shift = 0; shift < 8 * sizeof(uint); shift += bits)
        {
            ends.Clear();
            var from = places.AsSpan(0, Count);
            foreach (var place in from) ends[(int)(place >> shift) & (digits - 1)]++;
            for (var digit = 1; digit < digits; digit++) ends[digit] += ends[digit - 1];
            for (var i = from.Length - 1; i >= 0; i--) other[--ends[(int)(from[i] >> shift) & (digits - 1)]] = from[i];
            (places, other) = (other, places);
        }

        ArrayPool<uint>.Shared.Return(other);
    }

    /// <summary>Leaves, after <see cref="Sort"/>, only the places, each once, of blocks that lie over another one. False: there are none.</summary>
    public bool KeepOverlapping()
    {
        var kept = 0;
        long endBefore = 0;
        for (var i = 0; i < Count; i++)
        {
            var place = places[i];
            var end = place + ((place == last ? lastStoredBytes : storedBytes) / VhdLayout.SectorBytes);
            // What is kept is never written behind what is still to be looked at.
            var isOverlapped = place < endBefore || (i + 1 < Count && places[i + 1] < end);
            if (isOverlapped && (kept == 0 || places[kept - 1] != place)) places[kept++] = place;
            endBefore = Math.Max(endBefore, end);
        }

        Count = kept;
        return Count > 0;
    }

    public bool Contains(uint place) => Array.BinarySearch(places, 0, Count, place) >= 0;

    private bool IsSorted()
    {
        for (var i = 1; i < Count; i++)
        {
            if (places[i] < places[i - 1]) return false;
        }

        return true;
    }

    public void Dispose() => ArrayPool<uint>.Shared.Return(places);
}
