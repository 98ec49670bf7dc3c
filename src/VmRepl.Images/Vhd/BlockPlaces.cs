using System.Buffers;
using VmRepl.Blocks;

namespace VmRepl.Images.Vhd;

/// <summary>Where a disk's blocks lie, in the order of the file, to find those that lie over each other and what is free between them. In a borrowed array: of four million blocks it has 16 MiB, and is wanted more than once.</summary>
/// <param name="count">Blocks at most.</param>
/// <param name="storedBytes">What a block takes in the file.</param>
/// <param name="lastStoredBytes">What the disk's last one takes, of which the disk may have a part.</param>
internal sealed class BlockPlaces(int count, long storedBytes, long lastStoredBytes) : IDisposable
{
    private readonly uint[] places = ArrayPool<uint>.Shared.Rent(count);
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

    public void Sort() => Array.Sort(places, 0, Count);

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

    public void Dispose() => ArrayPool<uint>.Shared.Return(places);
}
