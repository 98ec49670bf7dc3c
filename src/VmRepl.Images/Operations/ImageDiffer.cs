using VmRepl.Blocks;

namespace VmRepl.Images.Operations;

/// <summary>Writes what one disk has otherwise than another into an overlay over the other.</summary>
public static class ImageDiffer
{
    /// <summary>Contents are compared in pieces of this size: the smallest change that costs an overlay anything.</summary>
    private const int GrainBytes = 4096;

    /// <summary>
    /// Makes <paramref name="target"/>, a fresh overlay over <paramref name="old"/>, read as <paramref name="changed"/>. The maps are compared first: what is zeros in both, or the same range of
    /// the same file of a chain, is the same and is not read. What is zeros in the new disk only becomes zeros in the overlay; of the rest, what differs is written.
    /// </summary>
    /// <param name="old">The disk that the overlay stands on. It may be of another length: past its end it is zeros.</param>
    /// <param name="changed">The disk that the overlay is to show.</param>
    /// <param name="target">As long as <paramref name="changed"/>.</param>
    /// <exception cref="ArgumentException">The target has another length.</exception>
    /// <exception cref="ImageFormatException">One of the images is damaged.</exception>
    /// <exception cref="IOException">The environment failed.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled; the target holds a part.</exception>
    public static DiffResult Write(IBlockDevice old, IBlockDevice changed, IBlockDevice target, DiffOptions options, CancellationToken ct)
    {
        if (target.Length != changed.Length) throw new ArgumentException($"the overlay has {target.Length} bytes, the new disk {changed.Length}", nameof(target));
        var length = changed.Length;
        var (oldFiles, newFiles) = (new LayerFiles(old), new LayerFiles(changed));
        using var oldRuns = new MapCursor(old, length);
        using var newRuns = new MapCursor(changed, length);
        using var pieces = new DiffPieces(old, changed, target);
        for (long at = 0; at < length;)
        {
            ct.ThrowIfCancellationRequested();
            var (before, after) = (oldRuns.At(at), newRuns.At(at));
            var end = Math.Min(length, Math.Min(before.End, after.End));
            if (!after.HasData)
            {
                if (before.HasData) pieces.Zero(at, end);
            }
            else if (!before.HasData || !(oldFiles.IsSamePlace(before, newFiles, after) || oldFiles.IsSameCompressed(before, newFiles, after)))
            {
                end = Math.Min(end, Sectors.AlignDown(at, DataChunks.ChunkBytes) + DataChunks.ChunkBytes);
                pieces.Compare(at, (int)(end - at), before.HasData, GrainBytes);
            }

            at = end;
            options.Progress?.Report(at);
        }

        if (options.Flush) target.Flush();
        return pieces.Result;
    }
}
