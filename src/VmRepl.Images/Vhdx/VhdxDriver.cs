using VmRepl.Blocks.Files;
using VmRepl.Images.Opening;

namespace VmRepl.Images.Vhdx;

internal sealed class VhdxDriver : IImageDriver
{
    public ImageFormat Format => ImageFormat.Vhdx;

    public bool Recognizes(ReadOnlySpan<byte> head) => false;

    public IDiskImage Open(IHostFile file, ImageContext context) => throw new NotSupportedException();

    public IDiskImage Create(IHostFile file, long length, ImageCreateOptions options) => throw new NotSupportedException();
}
