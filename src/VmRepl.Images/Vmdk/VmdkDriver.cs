using VmRepl.Blocks.Files;
using VmRepl.Images.Opening;

namespace VmRepl.Images.Vmdk;

internal sealed class VmdkDriver : IImageDriver
{
    public ImageFormat Format => ImageFormat.Vmdk;

    public bool Recognizes(ReadOnlySpan<byte> head) => false;

    public IDiskImage Open(IHostFile file, ImageContext context) => throw new NotSupportedException();

    public IDiskImage Create(IHostFile file, long length, ImageCreateOptions options) => throw new NotSupportedException();
}
