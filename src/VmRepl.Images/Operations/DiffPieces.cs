using VmRepl.Blocks;

namespace VmRepl.Images.Operations;

/// <summary>The pieces of two disks that have to be read, and what becomes of them in the overlay.</summary>
internal sealed class DiffPieces(IBlockDevice old, IBlockDevice changed, IBlockDevice target) : IDisposable
{
    private enum Kind
    {
        Same,
        Zeros,
        Contents,
    }

    private readonly PooledBuffer before = PooledBuffer.Rent(DataChunks.ChunkBytes);
    private readonly PooledBuffer after = PooledBuffer.Rent(DataChunks.ChunkBytes);
    private long bytesRead, bytesWritten, bytesZeroed;

    public DiffResult Result => new(bytesRead, bytesWritten, bytesZeroed);

    /// <summary>The new disk has zeros where the old one has contents.</summary>
    public void Zero(long from, long to)
    {
        target.Zero(from, to - from);
        bytesZeroed += to - from;
    }

    /// <summary>Reads at most one chunk of the new disk, and of the old one where it has data, and writes what differs, grain by grain.</summary>
    public void Compare(long at, int length, bool hasOld, int grainBytes)
    {
        var now = after.Span[..length];
        changed.Read(at, now);
        bytesRead += length;
        var was = before.Span[..length];
        if (hasOld)
        {
            old.Read(at, was);
            bytesRead += length;
        }

        for (var done = 0; done < length;)
        {
            var (kind, run) = Run(hasOld ? was[done..] : [], now[done..], grainBytes);
            if (kind == Kind.Zeros) Zero(at + done, at + done + run);
            if (kind == Kind.Contents)
            {
                target.Write(at + done, now.Slice(done, run));
                bytesWritten += run;
            }

            done += run;
        }
    }

    public void Dispose()
    {
        before.Dispose();
        after.Dispose();
    }

    /// <summary>The longest start, in grains, that is of one kind.</summary>
    private static (Kind Kind, int Length) Run(ReadOnlySpan<byte> was, ReadOnlySpan<byte> now, int grainBytes)
    {
        var length = Math.Min(grainBytes, now.Length);
        var first = Of(was, now, length);
        while (length < now.Length)
        {
            var grain = Math.Min(grainBytes, now.Length - length);
            if (Of(was.IsEmpty ? was : was[length..], now[length..], grain) != first) break;
            length += grain;
        }

        return (first, length);
    }

    private static Kind Of(ReadOnlySpan<byte> was, ReadOnlySpan<byte> now, int length)
    {
        now = now[..length];
        if (was.IsEmpty) return Sectors.IsZero(now) ? Kind.Same : Kind.Contents;
        if (now.SequenceEqual(was[..length])) return Kind.Same;
        return Sectors.IsZero(now) ? Kind.Zeros : Kind.Contents;
    }
}
