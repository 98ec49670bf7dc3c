using VmRepl.Blocks.Files;
using VmRepl.Images.Opening;

namespace VmRepl.Images;

/// <summary>One format: recognised, opened and created.</summary>
internal interface IImageDriver
{
    ImageFormat Format { get; }

    /// <summary>Whether the first bytes of a file (up to 4096, fewer in a shorter file) are this format's. Raw is what nobody recognises.</summary>
    bool Recognizes(ReadOnlySpan<byte> head);

    /// <summary>For a format that begins with the disk itself: whether the last bytes of a file (512, fewer in a shorter file) are this format's. Asked when nobody recognised its first bytes.</summary>
    /// <param name="length">The file's, bytes.</param>
    bool RecognizesEnd(ReadOnlySpan<byte> tail, long length) => false;

    /// <summary>Opens <paramref name="file"/>, which the image then owns. On failure it stays the caller's; whatever else was opened is closed.</summary>
    /// <exception cref="ImageFormatException">The file is corrupt, hostile or of an unsupported kind.</exception>
    IDiskImage Open(IHostFile file, ImageContext context);

    /// <summary>Writes an empty, thin image of <paramref name="length"/> bytes into the new, empty <paramref name="file"/>, and opens it for writing. On failure the file stays the caller's.</summary>
    IDiskImage Create(IHostFile file, long length, ImageCreateOptions options);

    /// <summary>As <see cref="Create"/>, over <paramref name="parent"/>, which the image then owns. On failure both stay the caller's.</summary>
    /// <exception cref="NotSupportedException">The format has no overlays, none over that parent, or none of that length.</exception>
    IDiskImage CreateOverlay(IHostFile file, long length, ImageCreateOptions options, IDiskImage parent) =>
        throw new NotSupportedException($"an image in the format {Format.Name()} cannot have a backing file");
}
