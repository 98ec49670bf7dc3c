using System.IO.Compression;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Qcow2;

/// <summary>
/// Reads compressed clusters (specification, "Compressed Clusters Descriptor"). The output is exactly one cluster: a stream that gives less is an error, one that would give more is left there.
/// The cluster last unpacked is kept, since readers come in steps smaller than a cluster. Safe for concurrent use.
/// </summary>
/// <param name="file">Not owned.</param>
/// <param name="header">Checked.</param>
/// <param name="memory">The chain's: a cluster has up to 2 MiB, and every layer may have its own last one.</param>
internal sealed class CompressedClusters(IHostFile file, Qcow2Header header, TableMemory memory)
{
    private readonly Lock gate = new();

    /// <summary>Copies from <paramref name="inside"/> of the cluster that <paramref name="entry"/> describes.</summary>
    /// <exception cref="ImageFormatException">It does not unpack to one whole cluster.</exception>
    public void Read(ulong entry, int inside, Span<byte> buffer)
    {
        if (inside == 0 && buffer.Length == header.ClusterSize)
        {
            Unpack(entry, buffer);
            return;
        }

        lock (gate)
        {
            // Out of the chain's reach while it is used: its bytes are overwritten by the next one's.
            var last = memory.Unpacked.Take<Unpacked>(this, 0);
            if (last?.Entry != entry)
            {
                last = new Unpacked(entry, last?.Bytes ?? new byte[header.ClusterSize]);
                Unpack(entry, last.Bytes);
            }

            last.Bytes.AsSpan(inside, buffer.Length).CopyTo(buffer);
            memory.Unpacked.Keep(this, 0, last, header.ClusterSize);
        }
    }

    private void Unpack(ulong entry, Span<byte> cluster)
    {
        var place = CompressedEntry.Parse(file.Path, entry, header.ClusterBits);
        var fileLength = file.Length;
        if (place.Host >= fileLength) throw Bad(place, $"before the file's end at {fileLength}", "behind it");
        // The length is in whole sectors and the file may end with the data itself.
        using var packed = PooledBuffer.Rent((int)Math.Min(place.Length, fileLength - place.Host));
        file.ReadField(place.Host, packed.Span, "compressed cluster");
        if (header.Compression == Qcow2Compression.Zstd)
        {
            if (Zstd.Decompress(packed.Span, cluster) is { } problem) throw Bad(place, $"Zstandard frames of {cluster.Length} bytes", problem);
            return;
        }

        try
        {
            Inflate(packed.Memory, cluster, place);
        }
        catch (InvalidDataException e)
        {
            throw ImageFormatException.Mismatch(file.Path, place.Host, "compressed cluster", "a deflate stream", "none", e);
        }
    }

    private void Inflate(Memory<byte> packed, Span<byte> cluster, CompressedEntry place)
    {
        if (!System.Runtime.InteropServices.MemoryMarshal.TryGetArray<byte>(packed, out var array)) throw new InvalidOperationException("the pooled buffer is no array");
        using var input = new MemoryStream(array.Array!, array.Offset, array.Count, writable: false);
        using var inflate = new DeflateStream(input, CompressionMode.Decompress);
        var done = inflate.ReadAtLeast(cluster, cluster.Length, throwOnEndOfStream: false);
        if (done != cluster.Length) throw Bad(place, $"a stream of {cluster.Length} bytes", $"one of {done}");
    }

    private ImageFormatException Bad(CompressedEntry place, string expected, string found) => ImageFormatException.Mismatch(file.Path, place.Host, "compressed cluster", expected, found);

    private sealed record Unpacked(ulong Entry, byte[] Bytes);
}
