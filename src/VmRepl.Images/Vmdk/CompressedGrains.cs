using System.Buffers.Binary;
using System.IO.Compression;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vmdk;

/// <summary>
/// Compressed grains of a streamOptimized extent (Virtual Disk Format 5.0, "Stream-Optimized Compressed Sparse Extents"): at the entry's sector stand the grain's first sector in the disk (8), the size of what follows (4), and a zlib stream.
/// The last grain that was asked for is kept, since readers come in order. Safe for concurrent use.
/// </summary>
/// <param name="file">Not owned.</param>
/// <param name="header">Checked.</param>
/// <param name="memory">The chain's: a grain has up to 16 MiB, and every extent may have its own last one.</param>
internal sealed class CompressedGrains(IHostFile file, SparseHeader header, TableMemory memory)
{
    public const int MarkerBytes = 12;

    private readonly Lock gate = new();

    /// <summary>Copies part of a grain.</summary>
    /// <param name="fileOffset">Where its marker stands.</param>
    /// <param name="grainLength">Bytes that the grain has of the disk: the last one may be short.</param>
    /// <param name="grain">Its number, checked against the marker.</param>
    /// <param name="inGrain">Where to begin in it.</param>
    /// <param name="buffer">Is filled.</param>
    /// <exception cref="ImageFormatException">The marker is another grain's, or the stream is damaged, short, or absurdly long.</exception>
    public void Read(long fileOffset, int grainLength, long grain, int inGrain, Span<byte> buffer)
    {
        if (buffer.Length == header.GrainBytes)
        {
            Inflate(fileOffset, grainLength, grain, buffer);
            return;
        }

        lock (gate)
        {
            // Out of the chain's reach while it is used: its bytes are overwritten by the next one's.
            var last = memory.Unpacked.Take<Unpacked>(this, 0);
            if (last?.Grain != grain)
            {
                last = new Unpacked(grain, last?.Bytes ?? new byte[header.GrainBytes]);
                Inflate(fileOffset, grainLength, grain, last.Bytes);
            }

            last.Bytes.AsSpan(inGrain, buffer.Length).CopyTo(buffer);
            memory.Unpacked.Keep(this, 0, last, last.Bytes.Length);
        }
    }

    private void Inflate(long at, int grainLength, long grain, Span<byte> plain)
    {
        var marker = new byte[MarkerBytes];
        if (file.Read(at, marker) < marker.Length) throw Bad($"one with a marker of {MarkerBytes} bytes", $"cut by the file's end at {file.Length}");
        var sector = BinaryPrimitives.ReadUInt64LittleEndian(marker);
        if (sector != (ulong)(grain * header.GrainSectors)) throw Bad($"of a marker for sector {grain * header.GrainSectors}", $"of one for sector {sector}");
        var size = BinaryPrimitives.ReadUInt32LittleEndian(marker.AsSpan(8));
        // Stored deflate is a little longer than its contents; twice the grain is more than any.
        var sizeMax = Math.Min((2L * header.GrainBytes) + 64, file.Length - at - MarkerBytes);
        if (size == 0 || size > sizeMax) throw Bad($"of a stream of 1 to {sizeMax} bytes", $"of one of {size}");
        try
        {
            using var packed = new PackedStream(file, at + MarkerBytes, size);
            using var stream = new ZLibStream(packed, CompressionMode.Decompress);
            var got = stream.ReadAtLeast(plain, plain.Length, throwOnEndOfStream: false);
            if (packed.IsCut) throw Bad($"of a stream of {size} bytes", "cut by the file's end");
            if (got < grainLength) throw Bad($"of at least {grainLength} bytes unpacked", $"of {got}");
            if (got == plain.Length && stream.ReadByte() >= 0) throw Bad($"of at most {plain.Length} bytes unpacked", "of more");
        }
        catch (InvalidDataException e)
        {
            throw ImageFormatException.Mismatch(file.Path, at + MarkerBytes, $"compressed grain {grain}", "a zlib stream", "none", e);
        }

        ImageFormatException Bad(string expected, string found) => ImageFormatException.Mismatch(file.Path, at, $"compressed grain {grain}", expected, found);
    }

    private sealed record Unpacked(long Grain, byte[] Bytes);
}
