using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Journal.Index.Files;

/// <summary>Writes an area of an index file in pieces.</summary>
internal sealed class AreaWriter(IHostFile file, long offset)
{
    private readonly byte[] piece = new byte[IndexLayout.PieceBytes];
    private long bytes;
    private uint checksum;
    private int filled;

    /// <summary>The area, once it has been finished.</summary>
    public IndexArea Area => new(offset, bytes, checksum);

    /// <summary>Room for that many bytes more, cleared. True where a piece was written before.</summary>
    public bool Next(int size, out Span<byte> room)
    {
        var isFull = filled + size > piece.Length;
        if (isFull) Write();
        room = piece.AsSpan(filled, size);
        filled += size;
        return isFull;
    }

    public void Finish() => Write();

    private void Write()
    {
        var part = piece.AsSpan(0, filled);
        if (filled > 0) file.Write(offset + bytes, part);
        checksum = Crc32C.Append(checksum, part);
        bytes += filled;
        filled = 0;
        part.Clear();
    }
}
