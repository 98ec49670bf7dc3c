namespace VmRepl.Journal.Index;

/// <summary>
/// The versions of the runs of a layer. Each entry knows the one before it, so that runs that were one share their history, and cutting a run copies nothing.
/// It also knows one further back (a skip list whose steps are drawn from the entry's depth: Myers, "An applicative random-access stack", 1983), so that any version is found in a logarithmic number of steps.
/// </summary>
internal sealed class VersionTable
{
    private readonly Table<Entry> entries = new();

    public long Bytes => entries.Bytes;

    /// <summary>Adds a version on top of <paramref name="before"/>, or of nothing (-1).</summary>
    /// <param name="record">Number of its record.</param>
    /// <returns>Its number.</returns>
    public int Add(int before, int record, ulong sequence)
    {
        if (before < 0) return entries.Add(new Entry(sequence, record, -1, -1, 1));
        ref readonly var previous = ref entries[before];
        var jump = before;
        if (previous.Jump >= 0)
        {
            ref readonly var further = ref entries[previous.Jump];
            var furtherDepth = further.Jump >= 0 ? entries[further.Jump].Depth : 0;
            if (previous.Depth - further.Depth == further.Depth - furtherDepth && further.Jump >= 0) jump = further.Jump;
        }

        return entries.Add(new Entry(sequence, record, before, jump, previous.Depth + 1));
    }

    /// <summary>Number of versions up to this one.</summary>
    public int Depth(int version) => version < 0 ? 0 : entries[version].Depth;

    public ulong Sequence(int version) => version < 0 ? 0 : entries[version].Sequence;

    public int Record(int version) => entries[version].Record;

    /// <summary>Version <paramref name="i"/> from the oldest.</summary>
    public int At(int version, int i)
    {
        while (entries[version].Depth != i + 1)
        {
            ref readonly var entry = ref entries[version];
            version = entry.Jump >= 0 && entries[entry.Jump].Depth > i ? entry.Jump : entry.Before;
        }

        return version;
    }

    /// <summary>The newest version at or before <paramref name="point"/>; -1 where there is none.</summary>
    public int NewestAt(int version, ulong point)
    {
        while (version >= 0 && entries[version].Sequence > point)
        {
            ref readonly var entry = ref entries[version];
            version = entry.Jump >= 0 && entries[entry.Jump].Sequence > point ? entry.Jump : entry.Before;
        }

        return version;
    }

    private readonly record struct Entry(ulong Sequence, int Record, int Before, int Jump, int Depth);
}
