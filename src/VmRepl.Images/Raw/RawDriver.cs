using VmRepl.Blocks.Files;
using VmRepl.Images.Opening;

namespace VmRepl.Images.Raw;

/// <summary>A raw disk: the file's bytes are the disk's.</summary>
internal sealed class RawDriver : IImageDriver
{
    public ImageFormat Format => ImageFormat.Raw;

    public bool Recognizes(ReadOnlySpan<byte> head) => false;

    public IDiskImage Open(IHostFile file, ImageContext context) => new RawImage(file);

    public IDiskImage Create(IHostFile file, long length, ImageCreateOptions options, TableMemory memory)
    {
        if (options.Subformat is { } kind) throw new NotSupportedException($"a raw disk has no subformat \"{kind}\"");
        file.SetLength(length);
        return new RawImage(file, options.SectorSize, isNew: true);
    }
}
