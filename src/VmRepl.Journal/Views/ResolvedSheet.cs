using System.Runtime.InteropServices;
using VmRepl.Blocks;

namespace VmRepl.Journal.Views;

/// <summary>
/// The blocks of neighbouring chunks of a disk, each at the place that follows from its offset, and for each chunk the stamp that its blocks hold for.
/// <code>
/// Offset                    Size           Field
/// 0                         12 × 16        the blocks of the first chunk, in order (ResolvedPart)
/// …                         …              those of the others
/// 192 × chunks              8 × chunks     newest sequence that had touched the chunk's region; 0 where nothing is known
/// </code>
/// Read without a lock while it is written: what is found counts only if the stamp is still that of the region after the contents were read (<see cref="ResolvedBlocks"/>).
/// </summary>
internal sealed class ResolvedSheet : IDisposable
{
    private const int ChunkBlockBytes = ResolvedBlocks.ChunkWords * sizeof(uint);

    private readonly LargePageMemory memory;
    private readonly int chunks;

    private ResolvedSheet(LargePageMemory memory, int chunks) => (this.memory, this.chunks) = (memory, chunks);

    private Span<ulong> Stamps => MemoryMarshal.Cast<byte, ulong>(memory.Bytes.Slice(chunks * ChunkBlockBytes, chunks * sizeof(ulong)));

    /// <summary>Bytes of memory. One that fills half a large page takes all of it: only whole ones are large.</summary>
    public static int BytesOf(int chunks)
    {
        var bytes = chunks * (ChunkBlockBytes + sizeof(ulong));
        return bytes > LargePageMemory.LargePageBytes / 2 ? (int)Sectors.AlignUp(bytes, LargePageMemory.LargePageBytes) : bytes;
    }

    /// <summary>Null where the host has no memory for it.</summary>
    public static ResolvedSheet? TryMake(int chunks) => LargePageMemory.TryMake(BytesOf(chunks)) is { } memory ? new ResolvedSheet(memory, chunks) : null;

    /// <summary>The words of a chunk's blocks, where they hold for a stamp. Whoever uses them keeps this alive.</summary>
    public bool TryFind(int chunk, ulong stamp, out Span<uint> words)
    {
        words = Words(chunk);
        return Volatile.Read(ref Stamps[chunk]) == stamp;
    }

    /// <summary>The newest sequence that the chunk's blocks hold for.</summary>
    public ulong StampOf(int chunk) => Stamps[chunk];

    /// <summary>Takes the words of a chunk's blocks. By one at a time.</summary>
    public void Set(int chunk, ReadOnlySpan<uint> from, ulong stamp)
    {
        var words = Words(chunk);
        // Each word at once: it may be looked at just now.
        for (var i = 0; i < ResolvedBlocks.ChunkWords; i++) Volatile.Write(ref words[i], from[i]);
        Volatile.Write(ref Stamps[chunk], stamp);
    }

    /// <summary>Nothing is known any more.</summary>
    public void Forget() => Stamps.Clear();

    public void Dispose() => memory.Dispose();

    private Span<uint> Words(int chunk) => MemoryMarshal.Cast<byte, uint>(memory.Bytes.Slice(chunk * ChunkBlockBytes, ChunkBlockBytes));
}
