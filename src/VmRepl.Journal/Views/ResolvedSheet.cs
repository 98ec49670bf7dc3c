using System.Runtime.InteropServices;
using VmRepl.Blocks;

namespace VmRepl.Journal.Views;

/// <summary>
/// The blocks of neighbouring chunks of a disk, each at the place that follows from its offset, and for each chunk the stamp that its blocks of the live image hold for.
/// <code>
/// Offset                    Size           Field
/// 0                         12 × 16        the blocks of the first chunk, in order (ResolvedPart); zeros where nothing is known
/// …                         …              those of the others
/// 192 × chunks              8 × chunks     newest sequence that had touched the chunk's region; 0 where nothing is known
/// </code>
/// Read without a lock while it is written (<see cref="ResolvedBlocks"/>).
/// </summary>
internal sealed class ResolvedSheet : IDisposable
{
    private const int ChunkBlockBytes = ResolvedBlocks.ChunkWords * sizeof(uint);

    private readonly LargePageMemory memory;
    private readonly int chunks;

    private ResolvedSheet(LargePageMemory memory, int chunks) => (this.memory, this.chunks) = (memory, chunks);

    /// <summary>Bytes of memory. One that fills half a large page takes all of it: only whole ones are large.</summary>
    public static int BytesOf(int chunks)
    {
        var bytes = chunks * (ChunkBlockBytes + sizeof(ulong));
        return bytes > LargePageMemory.LargePageBytes / 2 ? (int)Sectors.AlignUp(bytes, LargePageMemory.LargePageBytes) : bytes;
    }

    /// <summary>Null where the host has no memory for it.</summary>
    public static ResolvedSheet? TryMake(int chunks) => LargePageMemory.TryMake(BytesOf(chunks)) is { } memory ? new ResolvedSheet(memory, chunks) : null;

    /// <summary>Lets the processor fetch what says where a block lies, and what that holds for.</summary>
    public void Prefetch(int chunk, int block)
    {
        memory.Prefetch((chunk * ChunkBlockBytes) + (block * ResolvedPart.Words * sizeof(uint)));
        memory.Prefetch((chunks * ChunkBlockBytes) + (chunk * sizeof(ulong)));
    }

    /// <summary>The words of a chunk's blocks. Whoever uses them keeps this alive.</summary>
    public Span<uint> WordsOf(int chunk) => MemoryMarshal.Cast<byte, uint>(memory.Bytes.Slice(chunk * ChunkBlockBytes, ChunkBlockBytes));

    /// <summary>The newest sequence that had touched the chunk's region when it was resolved.</summary>
    public ulong StampOf(int chunk) => Volatile.Read(ref StampAt(chunk));

    /// <summary>Takes a chunk. By one at a time.</summary>
    public void Set(int chunk, ReadOnlySpan<uint> from, ulong stamp)
    {
        // Each word at once, the shape of each block last: it may be looked at just now.
        var words = WordsOf(chunk);
        for (var i = 0; i < ResolvedBlocks.ChunkWords; i++) Volatile.Write(ref words[i], from[i]);
        Volatile.Write(ref StampAt(chunk), stamp);
    }

    /// <summary>Nothing is known any more.</summary>
    public void Forget() => memory.Bytes.Clear();

    public void Dispose() => memory.Dispose();

    private ref ulong StampAt(int chunk) => ref MemoryMarshal.Cast<byte, ulong>(memory.Bytes.Slice(chunks * ChunkBlockBytes, chunks * sizeof(ulong)))[chunk];
}
