using VmRepl.Blocks.Files;
using VmRepl.Images.Opening;

namespace VmRepl.Images.Qcow2;

internal sealed class Qcow2Driver : IImageDriver
{
    public ImageFormat Format => ImageFormat.Qcow2;

    public bool Recognizes(ReadOnlySpan<byte> head) => false;

    public IDiskImage Open(IHostFile file, ImageContext context) => throw new NotSupportedException();

    public IDiskImage Create(IHostFile file, long length, ImageCreateOptions options) => throw new NotSupportedException();
}
