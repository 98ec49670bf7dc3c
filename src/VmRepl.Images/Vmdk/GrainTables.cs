using System.Buffers.Binary;
using System.Runtime.InteropServices;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vmdk;

/// <summary>
/// The grain tables of a sparse extent (Virtual Disk Format 5.0, "Grain Table"), in memory one at a time, as many as fit a fixed bound. Safe for concurrent use.
/// Where the primary directory or one of its entries is out of bounds, the redundant one stands in.
/// </summary>
internal sealed class GrainTables
{
    private const int TablesMax = 8192;

    private readonly IHostFile file;
    private readonly SparseHeader header;
    private readonly GrainDirectory directory;
    private readonly GrainDirectory? redundant;
    private readonly Lock gate = new();
    private readonly Dictionary<long, uint[]> tables = [];
    private readonly Queue<long> order = new();
    private readonly SortedSet<long> changed = [];
    private readonly HashSet<long> committing = [];

    /// <exception cref="ImageFormatException">Neither directory lies in the file, or they are too large.</exception>
    public GrainTables(IHostFile file, SparseHeader header)
    {
        this.file = file;
        this.header = header;
        var bytes = header.Tables * sizeof(uint);
        if (bytes > VmdkLayout.DirectoryBytesMax) throw new ImageFormatException(file.Path, 12, "capacity", $"of {header.CapacitySectors} sectors needs a grain directory of {bytes} bytes, at most {VmdkLayout.DirectoryBytesMax} are read");
        redundant = header.RedundantDirectorySector > 0 ? GrainDirectory.At(file, header.RedundantDirectorySector, header.Tables) : null;
        directory = GrainDirectory.At(file, header.DirectorySector, header.Tables)
            ?? redundant
            ?? throw new ImageFormatException(file.Path, 56, "gdOffset", $"is sector {header.DirectorySector}: {bytes} bytes there are not in the file of {file.Length}");
    }

    /// <summary>Tables with entries that differ from the file.</summary>
    public int ChangedTables
    {
        get
        {
            lock (gate) return changed.Count;
        }
    }

    /// <summary>Whether both copies are there, as a writer needs them (a file that never had a second one is whole too).</summary>
    public bool AreWhole => header.RedundantDirectorySector == 0 || (redundant is not null && !ReferenceEquals(redundant, directory));

    /// <summary>The entry of grain <paramref name="grain"/>: 0 unallocated, 1 zeros where the header allows it, else its first sector. Not checked.</summary>
    public uint this[long grain]
    {
        get
        {
            lock (gate) return Table(grain / header.TableEntries) is { } table ? table[(int)(grain % header.TableEntries)] : 0;
        }

        set
        {
            lock (gate)
            {
                var number = grain / header.TableEntries;
                var table = Table(number) ?? throw new ImageFormatException(file.Path, (header.DirectorySector * VmdkLayout.SectorBytes) + (number * sizeof(uint)), "grain directory entry", $"{number} names no grain table; writing where there is none is not supported");
                table[(int)(grain % header.TableEntries)] = value;
                changed.Add(number);
            }
        }
    }

    /// <summary>Where the entry of <paramref name="grain"/> stands, for errors.</summary>
    public long EntryOffset(long grain) => ((long)directory[grain / header.TableEntries] * VmdkLayout.SectorBytes) + (grain % header.TableEntries * sizeof(uint));

    /// <summary>Whether there is a table at all for <paramref name="grain"/>, so that a run over none can be taken in one step.</summary>
    public bool HasTable(long grain) => directory[grain / header.TableEntries] != 0;

    /// <summary>Copies of the changed tables with their places, redundant ones first. They stay in memory until <see cref="Committed"/>.</summary>
    public List<(long FileOffset, byte[] Table)> TakeChanged()
    {
        lock (gate)
        {
            var taken = new List<(long, byte[])>(changed.Count * 2);
            foreach (var number in changed)
            {
                var bytes = ToBytes(Table(number)!);
                if (redundant is not null && redundant[number] != 0) taken.Add(((long)redundant[number] * VmdkLayout.SectorBytes, bytes));
                taken.Add(((long)directory[number] * VmdkLayout.SectorBytes, bytes));
                committing.Add(number);
            }

            changed.Clear();
            return taken;
        }
    }

    /// <summary>What <see cref="TakeChanged"/> handed out is in the file.</summary>
    public void Committed()
    {
        lock (gate) committing.Clear();
    }

    /// <summary>Places of all tables, primary and redundant, as the directories have them; none is checked.</summary>
    public IEnumerable<Extent> Places()
    {
        var bytes = header.TableEntries * sizeof(uint);
        foreach (var copy in redundant is null || ReferenceEquals(redundant, directory) ? new[] { directory } : [directory, redundant])
        {
            for (long number = 0; number < copy.Count; number++)
            {
                if (copy[number] is var sector and not 0) yield return new Extent((long)sector * VmdkLayout.SectorBytes, bytes);
            }
        }
    }

    private uint[]? Load(long sector, int entries)
    {
        var bytes = (long)entries * sizeof(uint);
        if (sector <= 0 || sector > file.Length / VmdkLayout.SectorBytes || bytes > file.Length - (sector * VmdkLayout.SectorBytes)) return null;
        var loaded = new uint[entries];
        if (file.Read(sector * VmdkLayout.SectorBytes, MemoryMarshal.AsBytes(loaded.AsSpan())) < bytes) return null;
        if (!BitConverter.IsLittleEndian) BinaryPrimitives.ReverseEndianness(loaded, loaded);
        return loaded;
    }

    private uint[]? Table(long number)
    {
        if (tables.TryGetValue(number, out var table)) return table;
        var sector = directory[number];
        if (sector == 0) return null;
        if (tables.Count >= TablesMax) Evict();
        table = Load(sector, header.TableEntries);
        if (table is null && redundant is not null && redundant[number] != 0) table = Load(redundant[number], header.TableEntries);
        if (table is null)
            throw new ImageFormatException(file.Path, (header.DirectorySector * VmdkLayout.SectorBytes) + (number * sizeof(uint)), "grain directory entry", $"{number} places a grain table at sector {sector}, outside the file of {file.Length}");
        tables.Add(number, table);
        order.Enqueue(number);
        return table;
    }

    private void Evict()
    {
        for (var tries = order.Count; tries > 0; tries--)
        {
            var number = order.Dequeue();
            if (!changed.Contains(number) && !committing.Contains(number))
            {
                tables.Remove(number);
                return;
            }

            order.Enqueue(number);
        }
    }

    private static byte[] ToBytes(uint[] table)
    {
        var bytes = new byte[table.Length * sizeof(uint)];
        for (var i = 0; i < table.Length; i++) BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(i * sizeof(uint)), table[i]);
        return bytes;
    }
}
