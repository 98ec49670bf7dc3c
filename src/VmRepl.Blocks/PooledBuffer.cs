using System.Buffers;

namespace VmRepl.Blocks;

/// <summary>A rented array cut to the size asked for; disposing gives it back. The contents are not cleared.</summary>
public sealed class PooledBuffer : IMemoryOwner<byte>
{
    private byte[]? array;
    private readonly int length;

    private PooledBuffer(int length)
    {
        array = ArrayPool<byte>.Shared.Rent(length);
        this.length = length;
    }

    public Memory<byte> Memory => (array ?? throw new ObjectDisposedException(nameof(PooledBuffer))).AsMemory(0, length);

    public Span<byte> Span => (array ?? throw new ObjectDisposedException(nameof(PooledBuffer))).AsSpan(0, length);

    public static PooledBuffer Rent(int length) => new(length);

    public void Dispose()
    {
        var returned = Interlocked.Exchange(ref array, null);
        if (returned is not null) ArrayPool<byte>.Shared.Return(returned);
    }
}
