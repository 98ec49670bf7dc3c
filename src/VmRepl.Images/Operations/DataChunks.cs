using VmRepl.Blocks;

namespace VmRepl.Images.Operations;

/// <summary>Cuts a disk's allocation map into pieces of at most one buffer, each all data or all zeros.</summary>
internal static class DataChunks
{
    /// <summary>Bytes of one piece of data: enough to make calls cheap, small enough to stay in the processor's cache on the way from reading to writing.</summary>
    public const int ChunkBytes = 1 << 20;

    /// <summary>The pieces in order; they cover the disk exactly. Neighbouring runs of data are joined, so that scattered clusters still make long reads. A piece of zeros can be of any length.</summary>
    public static IEnumerable<(Extent Extent, bool HasData)> Of(IBlockDevice device)
    {
        long start = 0, end = 0;
        var hasData = false;
        foreach (var run in device.Map(0, device.Length))
        {
            if (run.HasData != hasData)
            {
                foreach (var piece in Cut(start, end, hasData)) yield return piece;
                (start, hasData) = (run.Offset, run.HasData);
            }

            end = run.End;
            // Whole pieces are handed on as they fill, so that work starts before a long map has been walked.
            for (; hasData && end - start >= ChunkBytes; start += ChunkBytes) yield return (new Extent(start, ChunkBytes), true);
        }

        foreach (var piece in Cut(start, end, hasData)) yield return piece;
    }

    private static IEnumerable<(Extent Extent, bool HasData)> Cut(long start, long end, bool hasData)
    {
        for (long length; start < end; start += length)
        {
            length = hasData ? Math.Min(ChunkBytes, end - start) : end - start;
            yield return (new Extent(start, length), hasData);
        }
    }
}
