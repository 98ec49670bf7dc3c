using System.Numerics;
using VmRepl.Journal.Index.Files;

namespace VmRepl.Journal.Views;

/// <summary>The chunks of a disk that a view has resolved last, one for each slot, in memory that is counted with the store's index. Safe for concurrent use.</summary>
/// <param name="diskBytes">Length of the disk.</param>
internal sealed class ResolvedChunks(IndexPageCache memory, long diskBytes) : IDisposable
{
    /// <summary>Bytes of a chunk; no region of <see cref="Index.NewestTouches"/> is smaller.</summary>
    public const int ChunkBytes = 64 << 10;

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
    private (long Chunk, int Asks)[]? asks;
    private ResolvedChunk?[]? chunks;
    private long bytes;
    private bool isClosed;

    public ResolvedChunk? Find(long chunk) =>
        Volatile.Read(ref chunks) is { } slots && Volatile.Read(ref slots[chunk & (slots.Length - 1)]) is { } found && found.Chunk == chunk ? found : null;

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
            var at = chunk.Chunk & (slotCount - 1);
            chunks ??= new ResolvedChunk?[slotCount];
            ref var slot = ref chunks[at];
            var more = chunk.Bytes - (slot?.Bytes ?? 0);
            if (chunk.Bytes > BytesMax || (more > 0 && memory.ReservedBytes + more > memory.CapBytes / Share))
            {
                asks[at] = (chunk.Chunk, asksMin - AsksUntilAgain);
                return;
            }

            if (more > 0) memory.Reserve(more);
            else memory.Release(-more);
            bytes += more;
            Volatile.Write(ref slot, chunk);
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
        }
    }
}
