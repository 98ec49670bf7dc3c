using System.Buffers.Binary;
using System.IO.Compression;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vmdk;

/// <summary>
/// Compressed grains of a streamOptimized extent (Virtual Disk Format 5.0, "Stream-Optimized Compressed Sparse Extents"): at the entry's sector stand the grain's first sector in the disk (8), the size of what follows (4), and a zlib stream.
/// The last grain that was asked for is kept, since readers come in order.
/// </summary>
internal sealed class CompressedGrains(IHostFile file, SparseHeader header)
{
    public const int MarkerBytes = 12;

    private readonly Lock gate = new();
    private long keptGrain = -1;
    private byte[] kept = [];

    /// <summary>Copies part of a grain.</summary>
    /// <param name="fileOffset">Where its marker stands.</param>
    /// <param name="grainLength">Bytes that the grain has of the disk: the last one may be short.</param>
    /// <param name="grain">Its number, checked against the marker.</param>
    /// <param name="inGrain">Where to begin in it.</param>
    /// <param name="buffer">Is filled.</param>
    /// <exception cref="ImageFormatException">The marker is another grain's, or the stream is damaged, short, or absurdly long.</exception>
    public void Read(long fileOffset, int grainLength, long grain, int inGrain, Span<byte> buffer)
    {
        lock (gate)
        {
            if (keptGrain != grain)
            {
                keptGrain = -1;
                kept = Inflate(fileOffset, grainLength, grain);
                keptGrain = grain;
            }

            kept.AsSpan(inGrain, buffer.Length).CopyTo(buffer);
        }
    }

    private byte[] Inflate(long at, int grainLength, long grain)
    {
        var marker = new byte[MarkerBytes];
        if (file.Read(at, marker) < marker.Length) throw Bad("the file ends inside its marker");
        var sector = BinaryPrimitives.ReadUInt64LittleEndian(marker);
        if (sector != (ulong)(grain * header.GrainSectors)) throw Bad($"its marker is for sector {sector}, the table for sector {grain * header.GrainSectors}");
        var size = BinaryPrimitives.ReadUInt32LittleEndian(marker.AsSpan(8));
        // Stored deflate is a little longer than its contents; twice the grain is more than any.
        if (size == 0 || size > (2 * header.GrainBytes) + 64 || size > file.Length - at - MarkerBytes) throw Bad($"its stream of {size} bytes is too long, or not in the file");
        var packed = new byte[(int)size];
        if (file.Read(at + MarkerBytes, packed) < packed.Length) throw Bad("the file ends inside its stream");
        var plain = new byte[header.GrainBytes];
        try
        {
            using var stream = new ZLibStream(new MemoryStream(packed), CompressionMode.Decompress);
            var got = stream.ReadAtLeast(plain, plain.Length, throwOnEndOfStream: false);
            if (got < grainLength) throw Bad($"its stream has {got} bytes, {grainLength} are needed");
            if (got == plain.Length && stream.ReadByte() >= 0) throw Bad($"its stream has more than the grain's {plain.Length} bytes");
        }
        catch (InvalidDataException e)
        {
            throw new ImageFormatException(file.Path, at + MarkerBytes, "compressed grain", $"{grain}: {e.Message}", e);
        }

        return plain;

        ImageFormatException Bad(string problem) => new(file.Path, at, "compressed grain", $"{grain}: {problem}");
    }
}
