namespace VmRepl.Hypervisors.Definitions;

/// <summary>The most that a boot test may take of the host.</summary>
/// <param name="MemoryBytes">Most memory of a guest, bytes.</param>
/// <param name="Vcpus">Most virtual processors.</param>
public sealed record HostCapacity(long MemoryBytes, int Vcpus)
{
    public const long MemoryBytesMin = 16L << 20;

    /// <summary>Half of the host's memory, and its processors.</summary>
    public static HostCapacity OfThisHost() => new(Math.Max(MemoryBytesMin, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 2), Environment.ProcessorCount);
}
