using System.Numerics;
using VmRepl.Journal.Index.Files;

namespace VmRepl.Journal.Views;

/// <summary>The chunks of a disk that a view has resolved last, one for each slot, in memory that is counted with the store's index. Safe for concurrent use.</summary>
/// <param name="diskBytes">Length of the disk.</param>
internal sealed class ResolvedChunks(IndexPageCache memory, long diskBytes) : IDisposable
{
    /// <summary>Bytes of a chunk; no region of <see cref="Index.NewestTouches"/> is smaller.</summary>
    public const int ChunkBytes = 64 << 10;

    /// <summary>Chunks that are resolved together at most; a power of two. The index has neighbours in the same pages, so that one walk through its layers for all of them costs little more than one for each would.</summary>
    public const int NeighboursMax = 8;

    private const int SlotsMax = 1 << 16;
    private const int BytesMax = 16 << 10;

    // A slot takes a reference, and a number and a count.
    private const long SlotBytes = 24;

    // Where chunks share slots, to resolve one is worth it only if it is read again before another takes its slot: by the number of reads that had to ask the index.
    // Where each has its own it stays, and the first read that asks pays for those after it.
    private const int AsksMinShared = 2, AsksMinOwn = 1;

    // Where there was no room, it is tried again after this many asks.
    private const int AsksUntilAgain = 64;

    // Views take up to this part of the store's index memory together with whatever else is reserved there.
    private const int Share = 2;

    private readonly int slotCount = (int)Math.Min(SlotsMax, BitOperations.RoundUpToPowerOf2((ulong)((diskBytes + ChunkBytes - 1) / ChunkBytes)));
    private readonly int asksMin = diskBytes <= (long)SlotsMax * ChunkBytes ? AsksMinOwn : AsksMinShared;
    private readonly Lock gate = new();
    private readonly ResolvedBlocks blocks = new(memory, diskBytes, memory.CapBytes / Share);
    private (long Chunk, int Asks)[]? asks;
    private uint[]?[]? chunks;
    private long bytes;
    private bool isClosed;

    // What the chunk kept last took.
    private long lastBytes;

    /// <summary>The segments that the chunks name.</summary>
    public ResolvedSegments Segments { get; } = new();

    /// <summary>Whether it is worth it to resolve a chunk's neighbours with it: each has a slot of its own, and there is room for them as far as the last one tells.</summary>
    public bool IsForNeighbours => asksMin == AsksMinOwn && memory.ReservedBytes + (NeighboursMax * Volatile.Read(ref lastBytes)) <= memory.CapBytes / Share;

    /// <summary>The chunks of which each block lies in one place, as far as they are not among those that <see cref="TryFind"/> finds.</summary>
    public ResolvedBlocks Blocks => blocks;

    public bool TryFind(long chunk, out ResolvedChunk found)
    {
        if (Volatile.Read(ref chunks) is { } slots && Volatile.Read(ref slots[chunk & (slots.Length - 1)]) is { } words)
        {
            found = new ResolvedChunk(words);
            return found.Chunk == chunk;
        }

        found = default;
        return false;
    }

    /// <summary>Counts a read for which the index has to be asked. Whether the whole chunk is to be resolved.</summary>
    public bool IsWorthwhile(long chunk)
    {
        lock (gate)
        {
            if (isClosed) return false;
            if (asks is null)
            {
                memory.Reserve(slotCount * SlotBytes);
                bytes += slotCount * SlotBytes;
                asks = new (long, int)[slotCount];
            }

            ref var slot = ref asks[chunk & (slotCount - 1)];
            slot = (chunk, slot.Chunk == chunk ? slot.Asks + 1 : 1);
            return slot.Asks >= asksMin;
        }
    }

    public void Keep(ResolvedChunk chunk)
    {
        lock (gate)
        {
            if (isClosed || asks is null) return;
            Span<uint> words = stackalloc uint[ResolvedBlocks.ChunkWords];
            var isOfBlocks = chunk.TryGetBlocks(words);
            if (isOfBlocks && blocks.TryKeep(chunk, words)) return;
            var at = chunk.Chunk & (slotCount - 1);
            var slots = chunks ?? new uint[]?[slotCount];
            var more = chunk.Bytes - (slots[at] is { } old ? new ResolvedChunk(old).Bytes : 0);
            Volatile.Write(ref lastBytes, chunk.Bytes);
            if (chunk.Bytes > BytesMax || (more > 0 && memory.ReservedBytes + more > memory.CapBytes / Share))
            {
                asks[at] = (chunk.Chunk, asksMin - AsksUntilAgain);
                return;
            }

            if (more > 0) memory.Reserve(more);
            else memory.Release(-more);
            bytes += more;
            Volatile.Write(ref slots[at], chunk.Words);
            Volatile.Write(ref chunks, slots);
            if (isOfBlocks && blocks.TryMakeSheet(chunk.Chunk, (memory.CapBytes / Share) - memory.ReservedBytes, out var first, out var count)) MoveToSheet(first, count, slots);
        }
    }

    public void Dispose()
    {
        lock (gate)
        {
            isClosed = true;
            memory.Release(bytes);
            bytes = 0;
            (chunks, asks) = (null, null);
            blocks.Dispose();
        }
    }

    /// <summary>Under the lock: what was kept of a sheet's chunks before there was one. Who reads one of them just now has the whole of it.</summary>
    private void MoveToSheet(long first, int count, uint[]?[] slots)
    {
        Span<uint> words = stackalloc uint[ResolvedBlocks.ChunkWords];
        for (var chunk = first; chunk < first + count; chunk++)
        {
            ref var slot = ref slots[chunk & (slotCount - 1)];
            if (slot is null) continue;
            var kept = new ResolvedChunk(slot);
            if (kept.Chunk != chunk || !kept.TryGetBlocks(words) || !blocks.TryKeep(kept, words)) continue;
            memory.Release(kept.Bytes);
            bytes -= kept.Bytes;
            Volatile.Write(ref slot, null);
        }
    }
}
