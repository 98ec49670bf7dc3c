using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace VmRepl.Blocks;

/// <summary>What the processor may be told of its caches.</summary>
public static class CacheLine
{
    /// <summary>Lets the processor fetch what is at a place, where it can be told to, and waits for nothing. A place outside of any memory is not fetched.</summary>
    public static unsafe void Prefetch<T>(ref T place)
        where T : unmanaged
    {
        // Where the collector moves it meanwhile, the wrong line is fetched, and that is all.
        if (Sse.IsSupported) Sse.Prefetch0(Unsafe.AsPointer(ref place));
    }
}
