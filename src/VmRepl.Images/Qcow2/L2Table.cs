namespace VmRepl.Images.Qcow2;

/// <summary>One second-level table in memory, or a piece of one that is only read, in the machine's own byte order (specification, "Cluster mapping", "Extended L2 Entries").</summary>
/// <param name="index">The table's place in L1.</param>
/// <param name="firstSlot">Which of the table's entries is the first here; 0 where the table is written.</param>
/// <param name="host">Where the first entry stands in the file.</param>
/// <param name="words">The entries: one word each, two with extended L2.</param>
internal sealed class L2Table(int index, int firstSlot, long host, ulong[] words)
{
    public int Index => index;

    public int FirstSlot => firstSlot;

    /// <summary>Where the first entry stands in the file.</summary>
    public long Host { get; set; } = host;

    public ulong[] Words => words;

    /// <summary>Whether it differs from the file's; such a table stays in memory until it is written.</summary>
    public bool IsDirty { get; set; }

    /// <summary>
    /// The one value that all words have, where the file is only read; null where they differ, or may be changed. A file of a few megabytes can name one such table millions of times.
    /// </summary>
    public ulong? Only { get; init; }

    /// <summary>The same contents, named by another entry of L1.</summary>
    public L2Table At(int index) => index == Index ? this : new L2Table(index, FirstSlot, Host, Words) { Only = Only };

    /// <summary>Where the entry's own cluster stands in the file; 0 where it has none, or a compressed one.</summary>
    public static long HostOf(ulong entry) => (entry & Qcow2Layout.CompressedFlag) != 0 ? 0 : (long)(entry & Qcow2Layout.OffsetMask);
}
