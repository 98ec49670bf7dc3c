using System.Runtime.InteropServices;
using VmRepl.Blocks.Files;

namespace VmRepl.Blocks;

/// <summary>
/// Memory outside of the collected heap, zeros at first, in pages of 2 MiB where the host has them to give: what is read at random all over it then waits for the contents and not for the page table too.
/// <para>Given back by <see cref="Dispose"/>; its addresses stay until nobody refers to this object, so that whoever still reads it then, having come before, finds old contents or zeros and no fault.</para>
/// </summary>
public sealed unsafe class LargePageMemory : IDisposable
{
    /// <summary>A large page of x86-64, and of ARM with small pages of 4 KiB.</summary>
    public const int LargePageBytes = 2 << 20;

    private readonly nint mapped;
    private readonly nint mappedBytes;
    private readonly byte* first;
    private readonly int length;

    private LargePageMemory(nint mapped, nint mappedBytes, nint first, int length)
    {
        this.mapped = mapped;
        this.mappedBytes = mappedBytes;
        this.first = (byte*)first;
        this.length = length;
    }

    ~LargePageMemory()
    {
        if (OperatingSystem.IsLinux()) _ = LibC.MUnmap(mapped, mappedBytes);
        else NativeMemory.Free((void*)mapped);
    }

    /// <summary>The memory. Whoever uses it keeps this object alive until the last use.</summary>
    public Span<byte> Bytes => new(first, length);

    /// <summary>Null where the host has none left.</summary>
    /// <param name="length">Bytes, at least one. What of it is whole large pages is in them.</param>
    public static LargePageMemory? TryMake(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        if (!OperatingSystem.IsLinux())
        {
            var cleared = (nint)NativeMemory.AllocZeroed((nuint)length);
            return new LargePageMemory(cleared, length, cleared, length);
        }

        // Addresses only: what lies before and behind the aligned part is never touched.
        var mappedBytes = (nint)length + LargePageBytes;
        var mapped = LibC.MMap(0, mappedBytes, LibC.ProtectionReadWrite, LibC.MapPrivateAnonymous, -1, 0);
        if (mapped == -1) return null;
        var first = (nint)Sectors.AlignUp(mapped, LargePageBytes);
        // Where the kernel has no large pages, small ones do as well.
        if (length >= LargePageBytes) _ = LibC.MAdvise(first, length, LibC.AdviseHugePages);
        return new LargePageMemory(mapped, mappedBytes, first, length);
    }

    /// <summary>Lets the processor fetch what is at a place, where it can be told to, and waits for nothing.</summary>
    /// <param name="offset">Any number: what lies outside is not fetched.</param>
    public void Prefetch(int offset)
    {
        CacheLine.Prefetch(ref *(first + offset));
    }

    /// <summary>Gives the memory back. Its contents are zeros afterwards; it must not be written any more.</summary>
#pragma warning disable CA1816 // The finalizer is still wanted: it gives the addresses back, when nobody refers to them.
    public void Dispose()
#pragma warning restore CA1816
    {
        if (OperatingSystem.IsLinux()) _ = LibC.MAdvise(mapped, mappedBytes, LibC.AdviseDontNeed);
        GC.KeepAlive(this);
    }
}
