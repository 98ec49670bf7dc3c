namespace VmRepl.Images.Qcow2;

/// <summary>One second-level table in memory, in the machine's own byte order (specification, "Cluster mapping", "Extended L2 Entries").</summary>
/// <param name="index">Its place in L1.</param>
/// <param name="host">Where it stands in the file.</param>
/// <param name="words">Its entries: one word each, two with extended L2.</param>
internal sealed class L2Table(int index, long host, ulong[] words)
{
    public int Index => index;

    public long Host { get; set; } = host;

    public ulong[] Words => words;

    /// <summary>Whether it differs from the file's; such a table stays in memory until it is written.</summary>
    public bool IsDirty { get; set; }

    /// <summary>Where the entry's own cluster stands in the file; 0 where it has none, or a compressed one.</summary>
    public static long HostOf(ulong entry) => (entry & Qcow2Layout.CompressedFlag) != 0 ? 0 : (long)(entry & Qcow2Layout.OffsetMask);
}
