using System.IO.Compression;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Qcow2;

/// <summary>
/// Reads compressed clusters (specification, "Compressed Clusters Descriptor"). The output is exactly one cluster: a stream that gives less is an error, one that would give more is left there.
/// The cluster last unpacked by a thread's neighbours is kept, since readers come in steps smaller than a cluster.
/// </summary>
internal sealed class CompressedClusters(IHostFile file, Qcow2Header header)
{
    private readonly Lock gate = new();
    private ulong lastEntry;
    private byte[]? last;

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
            if (last is null || lastEntry != entry)
            {
                last ??= new byte[header.ClusterSize];
                lastEntry = 0;
                Unpack(entry, last);
                lastEntry = entry;
            }

            last.AsSpan(inside, buffer.Length).CopyTo(buffer);
        }
    }

    private void Unpack(ulong entry, Span<byte> cluster)
    {
        var place = CompressedEntry.Parse(file.Path, entry, header.ClusterBits);
        var fileLength = file.Length;
        if (place.Host >= fileLength) throw Bad(place, $"lies beyond the file's end at {fileLength}");
        // The length is in whole sectors and the file may end with the data itself.
        using var packed = PooledBuffer.Rent((int)Math.Min(place.Length, fileLength - place.Host));
        file.ReadField(place.Host, packed.Span, "compressed cluster");
        if (header.Compression == Qcow2Compression.Zstd)
        {
            if (Zstd.Decompress(packed.Span, cluster) is { } problem) throw Bad(place, problem);
            return;
        }

        try
        {
            Inflate(packed.Memory, cluster, place);
        }
        catch (InvalidDataException e)
        {
            throw new ImageFormatException(file.Path, place.Host, "compressed cluster", "is no deflate stream", e);
        }
    }

    private void Inflate(Memory<byte> packed, Span<byte> cluster, CompressedEntry place)
    {
        if (!System.Runtime.InteropServices.MemoryMarshal.TryGetArray<byte>(packed, out var array)) throw new InvalidOperationException("the pooled buffer is no array");
        using var input = new MemoryStream(array.Array!, array.Offset, array.Count, writable: false);
        using var inflate = new DeflateStream(input, CompressionMode.Decompress);
        var done = inflate.ReadAtLeast(cluster, cluster.Length, throwOnEndOfStream: false);
        if (done != cluster.Length) throw Bad(place, $"unpacks to {done} bytes, a cluster has {cluster.Length}");
    }

    private ImageFormatException Bad(CompressedEntry place, string problem) => new(file.Path, place.Host, "compressed cluster", problem);
}
