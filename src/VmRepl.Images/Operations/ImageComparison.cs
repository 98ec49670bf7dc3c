using System.Runtime.ExceptionServices;
using VmRepl.Blocks;

namespace VmRepl.Images.Operations;

/// <summary>
/// One comparison under way: threads take the next piece of which either disk has data, read it on both and compare. What counts is what lies first, a difference or a failure to read: pieces behind it are not taken, pieces before it are finished.
/// </summary>
internal sealed class ImageComparison : IDisposable
{
    private const int WorkersMax = 4;

    private readonly IBlockDevice a;
    private readonly IBlockDevice b;
    private readonly IProgress<long>? progress;
    private readonly CancellationToken ct;
    private readonly long length;
    private readonly Lock gate = new();
    private readonly RunCursor runsA;
    private readonly RunCursor runsB;
    private long at;

    // The first that is known so far, and the failure where it is one.
    private long first = long.MaxValue;
    private ExceptionDispatchInfo? failure;

    public ImageComparison(IBlockDevice a, IBlockDevice b, IProgress<long>? progress, CancellationToken ct)
    {
        (this.a, this.b, this.progress, this.ct, length) = (a, b, progress, ct, Math.Max(a.Length, b.Length));
        (runsA, runsB) = (new RunCursor(a, length), new RunCursor(b, length));
    }

    /// <returns>The first byte that differs; null where there is none.</returns>
    public long? Run()
    {
        var workers = new Thread[Math.Min(Environment.ProcessorCount, WorkersMax) - 1];
        for (var i = 0; i < workers.Length; i++)
        {
            workers[i] = new Thread(Work) { IsBackground = true, Name = "image comparison" };
            workers[i].Start();
        }

        Work();
        foreach (var worker in workers) worker.Join();
        ct.ThrowIfCancellationRequested();
        failure?.Throw();
        return first == long.MaxValue ? null : first;
    }

    public void Dispose()
    {
        runsA.Dispose();
        runsB.Dispose();
    }

    private void Work()
    {
        using var left = PooledBuffer.Rent(DataChunks.ChunkBytes);
        using var right = PooledBuffer.Rent(DataChunks.ChunkBytes);
        while (Next() is { } piece)
        {
            try
            {
                var bytes = (int)piece.Extent.Length;
                var difference = Difference(Fill(a, piece.HasA, piece.Extent.Offset, left.Span[..bytes]), Fill(b, piece.HasB, piece.Extent.Offset, right.Span[..bytes]));
                if (difference >= 0) Note(piece.Extent.Offset + difference, null);
            }
            catch (Exception e)
            {
                Note(piece.Extent.Offset, e);
            }
        }
    }

    /// <summary>The next piece to read; null when there is none, or none that counts.</summary>
    private (Extent Extent, bool HasA, bool HasB)? Next()
    {
        lock (gate)
        {
            try
            {
                while (at < Math.Min(length, first) && !ct.IsCancellationRequested)
                {
                    var (endA, hasA) = runsA.At(at);
                    var (endB, hasB) = runsB.At(at);
                    var start = at;
                    at = Math.Min(endA, endB);
                    if (hasA || hasB) at = Math.Min(at, start + DataChunks.ChunkBytes);
                    progress?.Report(at);
                    if (hasA || hasB) return (Extent.FromEnds(start, at), hasA, hasB);
                }
            }
            catch (Exception e)
            {
                Note(at, e);
            }

            return null;
        }
    }

    private void Note(long offset, Exception? cause)
    {
        lock (gate)
        {
            if (offset >= first) return;
            (first, failure) = (offset, cause is null ? null : ExceptionDispatchInfo.Capture(cause));
        }
    }

    private static int Difference(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right)
    {
        var common = left.CommonPrefixLength(right);
        return common == left.Length ? -1 : common;
    }

    private static Span<byte> Fill(IBlockDevice device, bool hasData, long offset, Span<byte> buffer)
    {
        if (hasData) device.Read(offset, buffer);
        else buffer.Clear();
        return buffer;
    }
}
