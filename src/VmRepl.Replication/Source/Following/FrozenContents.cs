using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Images;

namespace VmRepl.Replication.Source.Following;

/// <summary>
/// What a followed disk held at one moment, on its way into a raw file, while the disk goes on. It is made, and put up at <see cref="FollowedDisk.Frozen"/> while no change is under way; that takes no time.
/// From then on a chunk that was not copied yet holds what it held then, for a change copies it before it is carried out, and everything else is copied in the background, a chunk at a time:
/// <code>
/// a chunk           who comes                      what happens, under the chunk's lock
/// not copied        a change of it                 copied, then changed
/// not copied        the copy                       copied
/// copied            anybody                        nothing
/// </code>
/// Holes and zeros stay holes. A raw image on a volume that shares extents gives its extents. What fails ends the copy, and never a change.
/// </summary>
/// <param name="image">Not owned.</param>
/// <param name="target">As long as the disk and all hole. Not owned.</param>
internal sealed class FrozenContents(IBlockDevice image, IHostFile target)
{
    public const int ChunkBytes = 64 << 10;

    private const int LocksCount = 64;

    // So much of the map is looked at in one go, and so many chunks are copied before others have their turn.
    private const long WindowBytes = 256 << 20;
    private const int ChunksEach = 16;

    private readonly int[] copied = new int[((image.Length + ChunkBytes - 1) / ChunkBytes + 31) / 32];
    private readonly Lock[] locks = [.. Enumerable.Range(0, LocksCount).Select(_ => new Lock())];

    // Null where there is nothing to share.
    private volatile IHostFile? shares = image is IDiskImage { Format: ImageFormat.Raw } raw ? raw.Files[0] : null;
    private volatile Exception? failure;
    private long keptBytes, copiedBytes;

    /// <summary>Bytes that were looked at; chunks that changes copied count when the copy comes by.</summary>
    public long DoneBytes => Volatile.Read(ref copiedBytes);

    /// <summary>Bytes of chunks that were copied because a change was about to be carried out there.</summary>
    public long KeptBytes => Volatile.Read(ref keptBytes);

    /// <summary>A change is about to be carried out; the range is held. Does not throw: what fails is the copy's failure.</summary>
    public void Keep(Extent extent)
    {
        if (failure is not null || extent.IsEmpty) return;
        for (var chunk = extent.Offset / ChunkBytes; chunk <= (extent.End - 1) / ChunkBytes; chunk++)
        {
            if (Copy(chunk, isHole: false)) Interlocked.Add(ref keptBytes, Chunk(chunk).Length);
        }
    }

    /// <summary>Copies everything that no change copies before. Others have their turn in between.</summary>
    /// <exception cref="IOException">It could not be copied; the file holds part of it.</exception>
    public async Task CopyAsync(CancellationToken cancellation)
    {
        for (long at = 0; at < image.Length; at += WindowBytes)
        {
            await Task.Yield();
            var window = new Extent(at, Math.Min(WindowBytes, image.Length - at));
            // A chunk that is not copied when its turn comes has not been changed since this was asked, nor before.
            var data = Data(window);
            for (var chunk = window.Offset / ChunkBytes; chunk <= (window.End - 1) / ChunkBytes; chunk++)
            {
                cancellation.ThrowIfCancellationRequested();
                var extent = Chunk(chunk);
                var isHole = !data.Overlaps(extent);
                Copy(chunk, isHole);
                if (failure is { } reason) throw new IOException($"{target.Path}: the clone cannot be copied: {reason.Message}", reason);
                Volatile.Write(ref copiedBytes, extent.End);
                if (!isHole && chunk % ChunksEach == 0) await Task.Yield();
            }
        }
    }

    private ExtentSet Data(Extent window)
    {
        try
        {
            return new ExtentSet(image.Map(window.Offset, window.Length).Where(r => r.HasData).Select(r => r.Extent));
        }
        catch (Exception e) when (IsOurs(e))
        {
            failure = e;
            return new ExtentSet();
        }
    }

    /// <returns>Whether it was copied here and now.</returns>
    private bool Copy(long chunk, bool isHole)
    {
        var (word, bit) = ((int)(chunk / 32), 1 << (int)(chunk % 32));
        if ((Volatile.Read(ref copied[word]) & bit) != 0) return false;
        lock (locks[chunk % LocksCount])
        {
            if (failure is not null || (Volatile.Read(ref copied[word]) & bit) != 0) return false;
            try
            {
                if (!isHole) CopyData(Chunk(chunk));
            }
            catch (Exception e) when (IsOurs(e))
            {
                failure = e;
                return false;
            }

            Interlocked.Or(ref copied[word], bit);
            return true;
        }
    }

    private void CopyData(Extent chunk)
    {
        if (shares is { } file)
        {
            if (target.TryCloneRange(file, chunk.Offset, chunk.Offset, chunk.Length)) return;
            shares = null;
        }

        using var buffer = PooledBuffer.Rent(ChunkBytes);
        var contents = buffer.Memory.Span[..(int)chunk.Length];
        image.Read(chunk.Offset, contents);
        for (var at = 0; at < contents.Length;)
        {
            var end = at;
            while (end < contents.Length && !IsZero(contents, end)) end = Math.Min(contents.Length, end + ChunkSet.ChunkBytes);
            if (end > at) target.Write(chunk.Offset + at, contents[at..end]);
            at = Math.Min(contents.Length, end + ChunkSet.ChunkBytes);
        }
    }

    private static bool IsZero(ReadOnlySpan<byte> contents, int at) => Sectors.IsZero(contents.Slice(at, Math.Min(ChunkSet.ChunkBytes, contents.Length - at)));

    private static bool IsOurs(Exception e) => e is IOException or UnauthorizedAccessException or ImageFormatException or ObjectDisposedException or NotSupportedException;

    private Extent Chunk(long chunk) => Extent.FromEnds(chunk * ChunkBytes, Math.Min(image.Length, (chunk + 1) * ChunkBytes));
}
