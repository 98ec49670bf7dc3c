using VmRepl.Blocks;

namespace VmRepl.Images.Operations;

/// <summary>Compares two disks by contents.</summary>
public static class ImageComparer
{
    /// <summary>
    /// Compares as <c>qemu-img compare</c> does without -s: what the longer disk has more must be zeros. Ranges that are zeros in both by their maps are not read.
    /// </summary>
    /// <param name="progress">Told the bytes of the longer disk done so far.</param>
    public static ComparisonResult Compare(IBlockDevice a, IBlockDevice b, IProgress<long>? progress, CancellationToken ct)
    {
        using var left = PooledBuffer.Rent(DataChunks.ChunkBytes);
        using var right = PooledBuffer.Rent(DataChunks.ChunkBytes);
        var length = Math.Max(a.Length, b.Length);
        using var runsA = new RunCursor(a, length);
        using var runsB = new RunCursor(b, length);
        for (long at = 0; at < length;)
        {
            ct.ThrowIfCancellationRequested();
            var (endA, hasA) = runsA.At(at);
            var (endB, hasB) = runsB.At(at);
            var end = Math.Min(endA, endB);
            if (hasA || hasB)
            {
                end = Math.Min(end, at + DataChunks.ChunkBytes);
                var difference = Difference(Fill(a, hasA, at, left.Span[..(int)(end - at)]), Fill(b, hasB, at, right.Span[..(int)(end - at)]));
                if (difference >= 0) return Different(at + difference, Math.Min(a.Length, b.Length));
            }

            at = end;
            progress?.Report(at);
        }

        return new ComparisonResult(true, -1, null);
    }

    private static ComparisonResult Different(long offset, long common) => new(false, offset,
        offset < common ? $"contents differ first at offset {offset}" : $"the longer disk has data at offset {offset}, past the shorter one's end at {common}");

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
