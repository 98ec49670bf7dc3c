using VmRepl.Blocks;

namespace VmRepl.Images.Operations;

/// <summary>Copies a disk by its allocation map.</summary>
public static class ImageConverter
{
    /// <summary>
    /// Copies <paramref name="source"/> into <paramref name="target"/>, a fresh device that reads as zeros. Holes are not read and zeros are not written, down to 4 KiB, so the
    /// target stays thin. Pieces are copied by as many threads as the machine has processors, at most four, in no fixed order; into an <see cref="ISequentialImage"/> by one, in the disk's order,
    /// and the image is then completed.
    /// </summary>
    /// <exception cref="ArgumentException">The target is shorter than the source.</exception>
    /// <exception cref="ImageFormatException">The source is damaged.</exception>
    /// <exception cref="IOException">The environment failed.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled; the target holds a part.</exception>
    public static ConvertResult Convert(IBlockDevice source, IBlockDevice target, ConvertOptions options, CancellationToken ct)
    {
        if (target.Length < source.Length) throw new ArgumentException($"the target has {target.Length} bytes, the source {source.Length}", nameof(target));
        var copy = new ImageCopy(source, target, options, ct);
        copy.Run();
        if (target is ISequentialImage sequential) sequential.Complete();
        if (options.Flush) target.Flush();
        return new ConvertResult(copy.BytesRead, copy.BytesWritten);
    }
}
