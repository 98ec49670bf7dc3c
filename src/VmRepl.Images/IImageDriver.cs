using VmRepl.Blocks.Files;
using VmRepl.Images.Opening;

namespace VmRepl.Images;

/// <summary>One format: recognised, opened and created.</summary>
internal interface IImageDriver
{
    ImageFormat Format { get; }

    /// <summary>Whether the first bytes of a file (up to 4096, fewer in a shorter file) are this format's. Raw is what nobody recognises.</summary>
    bool Recognizes(ReadOnlySpan<byte> head);

    /// <summary>For a format that can be told by its end: whether the last bytes of <paramref name="file"/> (512, fewer in a shorter file), and at most 4096 more where they lead, are this format's.</summary>
    /// <param name="head">The file's first bytes, as in <see cref="Recognizes"/>; nobody's where they are damaged, the guest's where the disk itself begins the file.</param>
    /// <param name="tail">Its last ones.</param>
    /// <param name="file">For what the tail leads to.</param>
    EndRecognition RecognizesEnd(ReadOnlySpan<byte> head, ReadOnlySpan<byte> tail, IHostFile file) => EndRecognition.None;

    /// <summary>Opens <paramref name="file"/>, which the image then owns. On failure it stays the caller's; whatever else was opened is closed.</summary>
    /// <exception cref="ImageFormatException">The file is corrupt, hostile or of an unsupported kind.</exception>
    IDiskImage Open(IHostFile file, ImageContext context);

    /// <summary>Writes an empty, thin image of <paramref name="length"/> bytes into the new, empty <paramref name="file"/>, and opens it for writing. On failure the file stays the caller's.</summary>
    IDiskImage Create(IHostFile file, long length, ImageCreateOptions options, TableMemory memory);

    /// <summary>As <see cref="Create"/>, over <paramref name="parent"/>, which the image then owns. On failure both stay the caller's.</summary>
    /// <exception cref="NotSupportedException">The format has no overlays, none over that parent, or none of that length.</exception>
    IDiskImage CreateOverlay(IHostFile file, long length, ImageCreateOptions options, IDiskImage parent, TableMemory memory) =>
        throw new NotSupportedException($"an image in the format {Format.Name()} cannot have a backing file");
}
