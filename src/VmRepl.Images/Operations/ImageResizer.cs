using VmRepl.Blocks;

namespace VmRepl.Images.Operations;

/// <summary>Gives a disk another size without losing anything that is in it.</summary>
public static class ImageResizer
{
    /// <summary>
    /// Resizes <paramref name="image"/>, durably; what is added reads as zeros. A crash leaves the old size or the new one. Nobody else may use the image meanwhile.
    /// </summary>
    /// <param name="length">Bytes, a multiple of the sector, not zero.</param>
    /// <param name="allowShrink">Whether the disk may become shorter. What is cut off has to be zeros even then.</param>
    /// <exception cref="ArgumentOutOfRangeException">The length is none that the format can say.</exception>
    /// <exception cref="ShrinkRefusedException">The disk would become shorter, and that was not asked for, or it has contents there.</exception>
    /// <exception cref="NotSupportedException">The image is read-only, or one of its kind cannot get this size.</exception>
    /// <exception cref="IOException">The environment failed.</exception>
    public static void Resize(IDiskImage image, long length, bool allowShrink, CancellationToken ct)
    {
        if (length <= 0 || length > DiskImages.LengthMax || length % image.SectorSize != 0)
            throw new ArgumentOutOfRangeException(nameof(length), length, $"a disk has a multiple of its sector ({image.SectorSize} bytes), up to {DiskImages.LengthMax}");
        if (image.IsReadOnly) throw new NotSupportedException($"{image.Files[0].Path} is open for reading only");
        if (length == image.Length) return;
        if (length < image.Length)
        {
            if (!allowShrink) throw new ShrinkRefusedException($"{image.Files[0].Path}: {length} bytes are less than the {image.Length} that it has");
            var contents = FirstContents(image, length, ct);
            if (contents >= 0) throw new ShrinkRefusedException($"{image.Files[0].Path}: has contents at {contents}, behind the {length} bytes that would be left");
            // Nothing behind the end keeps its place in the file.
            image.Punch(length, image.Length - length);
            image.Flush();
        }

        image.Resize(length);
    }

    private static long FirstContents(IDiskImage image, long from, CancellationToken ct)
    {
        using var buffer = PooledBuffer.Rent(DataChunks.ChunkBytes);
        foreach (var run in image.Map(from, image.Length - from).Where(r => r.HasData))
        {
            for (var at = run.Offset; at < run.End; at += DataChunks.ChunkBytes)
            {
                ct.ThrowIfCancellationRequested();
                var piece = buffer.Span[..(int)Math.Min(DataChunks.ChunkBytes, run.End - at)];
                image.Read(at, piece);
                var first = piece.IndexOfAnyExcept((byte)0);
                if (first >= 0) return at + first;
            }
        }

        return -1;
    }
}
