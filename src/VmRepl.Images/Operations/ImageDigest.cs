using System.Security.Cryptography;
using VmRepl.Blocks;

namespace VmRepl.Images.Operations;

/// <summary>Digests of a disk's contents, whatever container they are in.</summary>
public static class ImageDigest
{
    private static readonly byte[] Zeros = new byte[DataChunks.ChunkBytes];

    /// <summary>SHA-256 of all <see cref="IBlockDevice.Length"/> bytes, zeros included: the same as of the raw disk. Holes are not read.</summary>
    /// <param name="progress">Told the bytes done so far.</param>
    public static byte[] Sha256(IBlockDevice device, IProgress<long>? progress, CancellationToken ct)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var buffer = PooledBuffer.Rent(DataChunks.ChunkBytes);
        foreach (var (extent, hasData) in DataChunks.Of(device))
        {
            for (var at = extent.Offset; at < extent.End;)
            {
                ct.ThrowIfCancellationRequested();
                var length = (int)Math.Min(DataChunks.ChunkBytes, extent.End - at);
                var piece = buffer.Span[..length];
                if (hasData) device.Read(at, piece);
                hash.AppendData(hasData ? piece : Zeros.AsSpan(0, length));
                at += length;
                progress?.Report(at);
            }
        }

        return hash.GetHashAndReset();
    }
}
