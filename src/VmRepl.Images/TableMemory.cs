namespace VmRepl.Images;

/// <summary>
/// The one bound for what the files of an image keep of their tables in memory: everything of a chain is in here, however many layers and extents it has. What was used longest ago is given up first;
/// whoever needs it again reads it again. Safe for concurrent use.
/// <para>
/// What cannot be read again is not in here: tables with changes that wait for a flush belong to the one file that is written, and their number is bounded there.
/// </para>
/// </summary>
internal sealed class TableMemory
{
    /// <summary>Bytes that are kept at most. Enough for the tables of 128 GiB in QCOW2's usual clusters, and for those of 2 TiB in VHDX's smallest blocks.</summary>
    public const long BytesMax = 16 << 20;

    /// <summary>Bytes that may be held at most: what a chain needs as long as it is open.</summary>
    public const long HeldBytesMax = 16 << 20;

    /// <summary>Entries that are looked at in advance at most, so that a chain of many large tables opens in time too: as many as a disk of 2 TiB has in VHD's usual blocks (a quarter of a second's work at most).</summary>
    public const long ExaminedEntriesMax = 1 << 20;

    /// <summary>What keeping anything takes beside its bytes: a hostile file can have tables of four bytes, and any number of them.</summary>
    private const int KeptOverheadBytes = 256;

    private readonly Lock gate = new();
    private readonly Dictionary<(object Owner, long Number), LinkedListNode<Kept>> kept = [];
    private readonly LinkedList<Kept> byUse = [];
    private long held, examined;
    private TableMemory? unpacked;

    /// <summary>
    /// What is kept of unpacked clusters and grains, with a bound of its own: one of 16 MiB would drive all tables out, and be driven out by the next table.
    /// </summary>
    public TableMemory Unpacked => LazyInitializer.EnsureInitialized(ref unpacked, () => new TableMemory());

    /// <summary>Bytes that are kept now, with what keeping them takes.</summary>
    public long Bytes { get; private set; }

    /// <summary>The table that <paramref name="owner"/> keeps under that number, or null.</summary>
    public T? Find<T>(object owner, long number)
        where T : class
    {
        lock (gate)
        {
            if (!kept.TryGetValue((owner, number), out var node)) return null;
            if (byUse.First != node)
            {
                byUse.Remove(node);
                byUse.AddFirst(node);
            }

            return (T)node.Value.Table;
        }
    }

    /// <summary>Keeps a table, in the place of one that was there under the number.</summary>
    /// <param name="bytes">What it takes.</param>
    public void Keep(object owner, long number, object table, int bytes)
    {
        lock (gate)
        {
            Forget(owner, number);
            kept[(owner, number)] = byUse.AddFirst(new Kept(owner, number, table, bytes));
            Bytes += bytes + KeptOverheadBytes;
            while (Bytes > BytesMax && byUse.Last is { } last && last != byUse.First) Forget(last.Value.Owner, last.Value.Number);
        }
    }

    /// <summary>Takes the table out, for a caller who alone uses it from then on and may put it back; null where there is none.</summary>
    public T? Take<T>(object owner, long number)
        where T : class
    {
        lock (gate)
        {
            var table = kept.TryGetValue((owner, number), out var node) ? (T)node.Value.Table : null;
            Forget(owner, number);
            return table;
        }
    }

    /// <summary>Takes so much of what may be held; false where the chain would hold too much.</summary>
    public bool TryHold(long bytes)
    {
        lock (gate)
        {
            if (bytes > HeldBytesMax - held) return false;
            held += bytes;
            return true;
        }
    }

    /// <summary>Takes so many of the entries that opening a chain may examine all of; false where they were too many.</summary>
    public bool TryExamine(long entries)
    {
        lock (gate)
        {
            if (entries > ExaminedEntriesMax - examined) return false;
            examined += entries;
            return true;
        }
    }

    private void Forget(object owner, long number)
    {
        if (!kept.Remove((owner, number), out var node)) return;
        byUse.Remove(node);
        Bytes -= node.Value.Bytes + KeptOverheadBytes;
    }

    private sealed record Kept(object Owner, long Number, object Table, int Bytes);
}
