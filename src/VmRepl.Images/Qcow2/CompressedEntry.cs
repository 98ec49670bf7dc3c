namespace VmRepl.Images.Qcow2;

/// <summary>
/// An L2 entry with bit 62 set (specification, "Compressed Clusters Descriptor"): with x = 62 - (cluster_bits - 8), bits 0 to x-1 are a byte offset and bits x to 61 the
/// number of further 512-byte sectors.
/// </summary>
/// <param name="Host">First byte in the file; need not be aligned.</param>
/// <param name="Length">Bytes that may belong to the compressed data; the data itself ends somewhere inside.</param>
internal readonly record struct CompressedEntry(long Host, int Length)
{
    private const int SectorSize = 512;

    /// <exception cref="ImageFormatException">The offset uses bits above 55.</exception>
    public static CompressedEntry Parse(string path, ulong entry, int clusterBits)
    {
        var split = 62 - (clusterBits - 8);
        var host = entry & ((1UL << split) - 1);
        if (host >> 56 != 0) throw ImageFormatException.Mismatch(path, -1, "compressed cluster descriptor", "of an offset below 2^56", $"0x{entry:x16}");
        var sectors = (int)((entry & ~(Qcow2Layout.CompressedFlag | Qcow2Layout.Copied)) >> split) + 1;
        return new CompressedEntry((long)host, (sectors * SectorSize) - (int)(host % SectorSize));
    }
}
