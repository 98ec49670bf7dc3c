using VmRepl.Blocks;

namespace VmRepl.Replication.Source;

/// <summary>
/// Contents of a disk on their way: memory that goes back to the pool when the last holder has let it go, which is when the replica has acknowledged the last record cut from it.
/// A fresh megabyte for each region costs pages that the system must clear first. Whoever loses a hold by a failure leaves it to the garbage collector:
/// memory that is never given back is a loss of nothing, memory given back too early would be.
/// </summary>
internal sealed class RegionBuffer(int length)
{
    private readonly PooledBuffer buffer = PooledBuffer.Rent(length);
    private int holders = 1;

    /// <summary>Valid while held.</summary>
    public Memory<byte> Memory => buffer.Memory;

    public void Hold() => Interlocked.Increment(ref holders);

    public void Release()
    {
        if (Interlocked.Decrement(ref holders) == 0) buffer.Dispose();
    }
}
