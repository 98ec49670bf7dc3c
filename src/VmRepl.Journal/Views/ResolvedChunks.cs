using VmRepl.Journal.Index.Files;

namespace VmRepl.Journal.Views;

/// <summary>The chunks of a disk that a view has resolved last, one for each slot, in memory that is counted with the store's index. Safe for concurrent use.</summary>
internal sealed class ResolvedChunks(IndexPageCache memory) : IDisposable
{
    /// <summary>Bytes of a chunk; no region of <see cref="Index.NewestTouches"/> is smaller.</summary>
    public const int ChunkBytes = 64 << 10;

    private const int Slots = 16384;
    private const int BytesMax = 16 << 10;

    // To resolve a chunk is worth it where it is read again and again: by the number of reads that had to ask the index.
    private const int AsksMin = 6;

    // Views take up to this part of the store's index memory together with whatever else is reserved there.
    private const int Share = 2;

    private readonly Lock gate = new();
    private readonly (long Chunk, int Asks)[] asks = new (long, int)[Slots];
    private ResolvedChunk?[]? chunks;
    private long bytes;
    private bool isClosed;

    public ResolvedChunk? Find(long chunk) => Volatile.Read(ref chunks) is { } slots && Volatile.Read(ref slots[chunk & (Slots - 1)]) is { } found && found.Chunk == chunk ? found : null;

    /// <summary>Counts a read for which the index has to be asked. Whether the whole chunk is to be resolved.</summary>
    public bool IsWorthwhile(long chunk)
    {
        lock (gate)
        {
            ref var slot = ref asks[chunk & (Slots - 1)];
            slot = (chunk, slot.Chunk == chunk ? slot.Asks + 1 : 1);
            return slot.Asks >= AsksMin;
        }
    }

    public void Keep(ResolvedChunk chunk)
    {
        lock (gate)
        {
            if (isClosed || chunk.Bytes > BytesMax) return;
            chunks ??= new ResolvedChunk?[Slots];
            ref var slot = ref chunks[chunk.Chunk & (Slots - 1)];
            var more = chunk.Bytes - (slot?.Bytes ?? 0);
            if (more > 0 && memory.ReservedBytes + more > memory.CapBytes / Share) return;
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
            chunks = null;
        }
    }
}
