using System.Runtime.ExceptionServices;
using System.Security.Cryptography;
using VmRepl.Blocks;

namespace VmRepl.Images.Operations;

/// <summary>
/// SHA-256 of a copy's contents, zeros included, on a thread of its own beside the copying: it reads back what was written, in the disk's order, and never holds the copying back.
/// What it hashed of data is what the source gave for the copy, by a checksum of each piece. Ranges that the source's map says are zeros are hashed as zeros and not read:
/// whether the copy has zeros there is for a comparison to say.
/// </summary>
public sealed class FollowingDigest : IDisposable
{
    private static readonly byte[] Zeros = new byte[DataChunks.ChunkBytes];

    private readonly object gate = new();
    private readonly Lock reading = new();
    private readonly Queue<(Extent Extent, uint? Checksum)> pieces = [];
    private readonly CancellationToken ct;
    private readonly Thread thread;
    private IBlockDevice written;
    private bool isWhole, isStopped;
    private byte[]? digest;
    private ExceptionDispatchInfo? failure;

    /// <param name="written">The copy, which is being written.</param>
    public FollowingDigest(IBlockDevice written, CancellationToken ct)
    {
        this.written = written;
        this.ct = ct;
        thread = new Thread(Work) { IsBackground = true, Name = "digest of a copy" };
        thread.Start();
    }

    /// <summary>All of it is written: what is left is read from another device over the same file.</summary>
    /// <param name="reopen">Closes the first device and opens the other; nothing is read meanwhile.</param>
    public T GoOnWith<T>(Func<T> reopen)
        where T : IBlockDevice
    {
        lock (reading)
        {
            var reopened = reopen();
            written = reopened;
            return reopened;
        }
    }

    /// <summary>Waits for the digest of what was copied; no more is.</summary>
    /// <exception cref="IOException">The environment failed, or what was read back is not what the source had given.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public byte[] Complete()
    {
        lock (gate)
        {
            isWhole = true;
            Monitor.Pulse(gate);
        }

        thread.Join();
        failure?.Throw();
        return digest!;
    }

    /// <summary>Stops where it is. No device is used any more when this returns.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            isStopped = true;
            Monitor.Pulse(gate);
        }

        thread.Join();
    }

    /// <summary>A piece of the disk is in the copy; in the disk's order, without a gap.</summary>
    /// <param name="checksum">CRC-32C of what the source gave; null where it has zeros.</param>
    internal void Add(Extent extent, uint? checksum)
    {
        lock (gate)
        {
            pieces.Enqueue((extent, checksum));
            Monitor.Pulse(gate);
        }
    }

    private void Work()
    {
        try
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            using var buffer = PooledBuffer.Rent(DataChunks.ChunkBytes);
            while (Next(out var extent, out var checksum))
            {
                if (checksum is { } expected) hash.AppendData(ReadBack(extent, buffer.Span[..(int)extent.Length], expected));
                else AppendZeros(hash, extent.Length);
            }

            digest = hash.GetHashAndReset();
        }
        catch (Exception e)
        {
            failure = ExceptionDispatchInfo.Capture(e);
        }
    }

    private Span<byte> ReadBack(Extent extent, Span<byte> piece, uint checksum)
    {
        lock (reading) written.Read(extent.Offset, piece);
        if (Crc32C.Compute(piece) == checksum) return piece;
        var name = written is IDiskImage { Files: [var file, ..] } ? file.Path : "the copy";
        throw new IOException($"{name}: the disk's {extent.Length} bytes at offset {extent.Offset} do not read back as they were written; the volume or its memory is faulty");
    }

    private void AppendZeros(IncrementalHash hash, long length)
    {
        for (long part; length > 0 && !Volatile.Read(ref isStopped); length -= part)
        {
            ct.ThrowIfCancellationRequested();
            part = Math.Min(Zeros.Length, length);
            hash.AppendData(Zeros.AsSpan(0, (int)part));
        }
    }

    /// <summary>Waits for the next piece. False where there is none any more, or it was stopped.</summary>
    private bool Next(out Extent extent, out uint? checksum)
    {
        ct.ThrowIfCancellationRequested();
        (extent, checksum) = (default, null);
        lock (gate)
        {
            while (pieces.Count == 0 && !isWhole && !isStopped) Monitor.Wait(gate);
            if (isStopped || pieces.Count == 0) return false;
            (extent, checksum) = pieces.Dequeue();
            return true;
        }
    }
}
