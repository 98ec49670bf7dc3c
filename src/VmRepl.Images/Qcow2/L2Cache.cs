using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Qcow2;

/// <summary>
/// The L1 table (specification, "Cluster mapping"), and the second-level tables last used, as many as the chain's bound allows. An image that is only read has pieces of at most 64 KiB of both in memory:
/// an L1 table can have 32 MiB, an L2 table 2 MiB, and a chain many of them; they are kept by their place, since hostile entries by the million can name one table. One that is written has its L1 table and every L2 table whole.
/// Safe for concurrent readers; one lock, held while a table is loaded. Dirty tables are never dropped: the writer counts them and writes them in time.
/// </summary>
internal sealed class L2Cache
{
    private const int PieceBytesMax = 64 << 10, L1PieceEntries = PieceBytesMax / sizeof(ulong);

    private readonly Lock gate = new();
    private readonly Dictionary<int, L2Table> dirty = [];
    private readonly object l1Pieces = new();
    private readonly IHostFile file;
    private readonly Qcow2Header header;
    private readonly TableMemory memory;
    private readonly int pieceBytes, pieceSlots, l1Entries;
    private readonly bool isWhole;
    private readonly KnownHole holes;
    private ulong[]? empty;

    /// <param name="file">Not owned.</param>
    /// <param name="header">Checked.</param>
    /// <param name="memory">The chain's.</param>
    /// <param name="isWhole">Whether the tables are to be written.</param>
    /// <exception cref="ImageFormatException">The L1 table is not in the file.</exception>
    public L2Cache(IHostFile file, Qcow2Header header, TableMemory memory, bool isWhole)
    {
        this.file = file;
        this.header = header;
        this.memory = memory;
        this.isWhole = isWhole;
        holes = new KnownHole(file);
        l1Entries = header.L1EntriesNeeded;
        pieceBytes = isWhole ? header.ClusterSize : Math.Min(header.ClusterSize, PieceBytesMax);
        pieceSlots = pieceBytes / (sizeof(ulong) * header.L2EntryWords);
        if (isWhole) L1 = file.ReadNumbers(header.L1Offset, l1Entries, "L1 table");
        else file.RequireInside(header.L1Offset, (long)l1Entries * sizeof(ulong), "L1 table");
    }

    /// <summary>The entries that the disk's size needs, of an image that is written; replaced by a longer table when the disk grows.</summary>
    public ulong[] L1 { get; set; } = [];

    /// <summary>The piece of the table at <paramref name="index"/> of L1 that has the entry of <paramref name="slot"/>, or null where L1 has no table.</summary>
    /// <exception cref="ImageFormatException">Its entry or its place is impossible.</exception>
    public L2Table? Find(int index, int slot = 0)
    {
        lock (gate)
        {
            if (dirty.TryGetValue(index, out var changed)) return changed;
            if (isWhole && memory.Find<L2Table>(this, index) is { } whole) return whole;
            var entry = L1From(index)[0];
            if ((entry & Qcow2Layout.OffsetMask) == 0 && (entry & ~Qcow2Layout.Copied) == 0) return null;
            var piece = slot / pieceSlots;
            var place = Host(index, entry) + ((long)piece * pieceBytes);
            if (!isWhole)
            {
                if (memory.Find<L2Table>(this, place) is { } known) return known.At(index);
                if (holes.Contains(place, pieceBytes)) return new L2Table(index, piece * pieceSlots, place, empty ??= new ulong[pieceBytes / sizeof(ulong)]) { Only = 0 };
            }

            var words = file.ReadNumbers(place, pieceBytes / sizeof(ulong), "L2 table");
            var table = new L2Table(index, piece * pieceSlots, place, words) { Only = isWhole || words.AsSpan().ContainsAnyExcept(words[0]) ? null : words[0] };
            memory.Keep(this, isWhole ? index : place, table, pieceBytes);
            return table;
        }
    }

    /// <summary>How many entries of L1 from <paramref name="index"/> on are like that one: at least one, at most <paramref name="most"/>.</summary>
    public int AlikeFrom(int index, long most)
    {
        var end = (int)Math.Min(isWhole ? L1.Length : l1Entries, index + most);
        var entry = L1From(index)[0];
        for (var at = index + 1; at < end;)
        {
            var rest = L1From(at);
            rest = rest[..Math.Min(rest.Length, end - at)];
            var first = rest.IndexOfAnyExcept(entry);
            if (first >= 0) return at + first - index;
            at += rest.Length;
        }

        return Math.Max(1, end - index);
    }

    /// <summary>
    /// Keeps the table until it is written. Between its being found and this call another thread's reads may have pushed it out, and even loaded it again from the file;
    /// the one given is the one that counts. True: it was not dirty before.
    /// </summary>
    public bool MarkDirty(L2Table table)
    {
        lock (gate)
        {
            if (table.IsDirty) return false;
            table.IsDirty = true;
            dirty[table.Index] = table;
            memory.Keep(this, table.Index, table, pieceBytes);
            return true;
        }
    }

    /// <summary>The dirty table is in the file.</summary>
    public void MarkWritten(L2Table table)
    {
        lock (gate)
        {
            table.IsDirty = false;
            dirty.Remove(table.Index);
            memory.Keep(this, table.Index, table, pieceBytes);
        }
    }

    /// <summary>Dirty tables in order of their place in the disk.</summary>
    public List<L2Table> Dirty()
    {
        lock (gate) return [.. dirty.Values.OrderBy(t => t.Index)];
    }

    /// <summary>The entries of L1 from <paramref name="index"/> on, as far as they are at hand.</summary>
    private ReadOnlySpan<ulong> L1From(int index)
    {
        if (isWhole) return L1.AsSpan(index);
        var (piece, inPiece) = Math.DivRem(index, L1PieceEntries);
        var entries = memory.Find<ulong[]>(l1Pieces, piece);
        if (entries is null)
        {
            var first = piece * L1PieceEntries;
            entries = file.ReadNumbers(header.L1Offset + ((long)first * sizeof(ulong)), Math.Min(L1PieceEntries, l1Entries - first), "L1 table");
            memory.Keep(l1Pieces, piece, entries, entries.Length * sizeof(ulong));
        }

        return entries.AsSpan(inPiece);
    }

    private long Host(int index, ulong entry)
    {
        var host = (long)(entry & Qcow2Layout.OffsetMask);
        if ((entry & ~(Qcow2Layout.OffsetMask | Qcow2Layout.Copied)) != 0 || host == 0 || !Sectors.IsAligned(host, header.ClusterSize))
        {
            throw ImageFormatException.Mismatch(file.Path, header.L1Offset + ((long)index * sizeof(ulong)), "L1 entry",
                $"0, or a multiple of {header.ClusterSize} with reserved bits clear", $"0x{entry:x16}");
        }

        return host;
    }
}
