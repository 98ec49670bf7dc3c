using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vmdk;

/// <summary>The bytes of one compressed grain, from start to end, a buffer at a time: packed, a grain can have 32 MiB.</summary>
/// <param name="file">Not owned.</param>
/// <param name="offset">First byte.</param>
/// <param name="length">Bytes; the stream ends there, or earlier where the file does.</param>
internal sealed class PackedStream(IHostFile file, long offset, long length) : Stream
{
    private const int BufferBytesMax = 256 << 10;

    private readonly PooledBuffer buffer = PooledBuffer.Rent((int)Math.Min(length, BufferBytesMax));
    private readonly long end = offset + length;
    private long next = offset;
    private int first, count;

    /// <summary>Whether the file ended inside the range.</summary>
    public bool IsCut { get; private set; }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override int Read(Span<byte> target)
    {
        if (count == 0 && !Fill()) return 0;
        var taken = Math.Min(target.Length, count);
        buffer.Span.Slice(first, taken).CopyTo(target);
        first += taken;
        count -= taken;
        return taken;
    }

    public override int Read(byte[] target, int at, int most) => Read(target.AsSpan(at, most));

    public override void Flush()
    {
    }

    public override long Seek(long to, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] source, int at, int bytes) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing) buffer.Dispose();
        base.Dispose(disposing);
    }

    private bool Fill()
    {
        var wanted = (int)Math.Min(buffer.Span.Length, end - next);
        first = 0;
        count = wanted == 0 ? 0 : file.Read(next, buffer.Span[..wanted]);
        IsCut |= count < wanted;
        next += count;
        return count > 0;
    }
}
