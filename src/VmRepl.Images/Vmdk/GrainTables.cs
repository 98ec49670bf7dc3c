using System.Buffers.Binary;
using System.Runtime.InteropServices;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vmdk;

/// <summary>
/// The grain tables of a sparse extent (Virtual Disk Format 5.0, "Grain Table"), in memory one at a time, as many as the chain's bound allows; those with changes stay until they are committed. Safe for concurrent use.
/// Where the primary directory or one of its entries is out of bounds, the redundant one stands in.
/// </summary>
internal sealed class GrainTables
{
    private readonly IHostFile file;
    private readonly SparseHeader header;
    private readonly GrainDirectory directory;
    private readonly GrainDirectory? redundant;
    private readonly Lock gate = new();
    private readonly Dictionary<long, uint[]> pinned = [];
    private readonly TableMemory memory;
    private readonly KnownHole holes;
    private readonly SortedSet<long> changed = [];
    private readonly HashSet<long> committing = [];

    /// <exception cref="ImageFormatException">Neither directory lies in the file, or they are too large.</exception>
    public GrainTables(IHostFile file, SparseHeader header, TableMemory memory)
    {
        this.memory = memory;
        holes = new KnownHole(file);
        this.file = file;
        this.header = header;
        var bytes = header.Tables * sizeof(uint);
        if (bytes > VmdkLayout.DirectoryBytesMax) throw ImageFormatException.Mismatch(file.Path, 12, "capacity", $"of a disk whose grain directory has at most {VmdkLayout.DirectoryBytesMax} bytes", $"{header.CapacitySectors} sectors, which need {bytes}");
        redundant = header.RedundantDirectorySector > 0 ? GrainDirectory.At(file, memory, header.RedundantDirectorySector, header.Tables) : null;
        directory = GrainDirectory.At(file, memory, header.DirectorySector, header.Tables)
            ?? redundant
            ?? throw ImageFormatException.Mismatch(file.Path, 56, "gdOffset", $"a sector with {bytes} bytes before the file's end at {file.Length}", $"{header.DirectorySector}");
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
                var table = Table(number) ?? throw ImageFormatException.Mismatch(file.Path, (header.DirectorySector * VmdkLayout.SectorBytes) + (number * sizeof(uint)), "grain directory entry", "the place of a grain table, to write where it is", $"0 in entry {number}");
                table[(int)(grain % header.TableEntries)] = value;
                changed.Add(number);
                pinned[number] = table;
            }
        }
    }

    /// <summary>Where the entry of <paramref name="grain"/> stands, for errors.</summary>
    public long EntryOffset(long grain) => ((long)directory[grain / header.TableEntries] * VmdkLayout.SectorBytes) + (grain % header.TableEntries * sizeof(uint));

    /// <summary>How many grains from <paramref name="grain"/> on have no entry, because there is no table for them or because it says so; they are a run that can be taken in one step. 0 where the grain has one.</summary>
    public long AbsentFrom(long grain)
    {
        var (number, index) = Math.DivRem(grain, header.TableEntries);
        var absent = directory.AbsentFrom(number);
        if (absent > 0) return (absent * header.TableEntries) - index;
        if (!holes.Contains((long)directory[number] * VmdkLayout.SectorBytes, TableBytes))
        {
            lock (gate)
            {
                if (Table(number) is not { } table) return header.TableEntries - index;
                var first = table.AsSpan((int)index).IndexOfAnyExcept(0u);
                if (first >= 0) return first;
                if (index > 0 || !file.IsReadOnly) return header.TableEntries - index;
            }
        }

        // Hostile entries by the million can name one empty table.
        return (directory.AlikeFrom(number) * header.TableEntries) - index;
    }

    /// <summary>The numbers of the tables that hold anything, as far as that can be told without reading them.</summary>
    public IEnumerable<long> Numbers()
    {
        foreach (var (number, sector) in directory.Present())
        {
            var place = (long)sector * VmdkLayout.SectorBytes;
            if (redundant is null && holes.Contains(place, TableBytes)) continue;
            yield return number;
        }
    }

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
        lock (gate)
        {
            foreach (var number in committing.Where(n => !changed.Contains(n)))
            {
                if (pinned.Remove(number, out var table)) memory.Keep(this, number, table, TableBytes);
            }

            committing.Clear();
        }
    }

    /// <summary>Where the directories themselves stand.</summary>
    public IEnumerable<Extent> Directories() => Copies().Select(d => d.Place);

    /// <summary>First sectors of all tables, primary and redundant, as the directories have them; none is checked.</summary>
    public IEnumerable<uint> TableSectors() => Copies().SelectMany(d => d.Present()).Select(t => t.Sector);

    private GrainDirectory[] Copies() => redundant is null || redundant.Place == directory.Place ? [directory] : [directory, redundant];

    /// <summary>Bytes of a table.</summary>
    private int TableBytes => header.TableEntries * sizeof(uint);

    private uint[]? Load(long sector, int entries)
    {
        var bytes = (long)entries * sizeof(uint);
        if (sector <= 0 || sector > file.Length / VmdkLayout.SectorBytes || bytes > file.Length - (sector * VmdkLayout.SectorBytes)) return null;
        var loaded = new uint[entries];
        if (file.Read(sector * VmdkLayout.SectorBytes, MemoryMarshal.AsBytes(loaded.AsSpan())) < bytes) return null;
        if (!BitConverter.IsLittleEndian) BinaryPrimitives.ReverseEndianness(loaded, loaded);
        return loaded;
    }

    /// <summary>Loaded under the lock, so that no table which was read before a commit is kept after it.</summary>
    private uint[]? Table(long number)
    {
        if (pinned.TryGetValue(number, out var table) || (table = memory.Find<uint[]>(this, number)) is not null) return table;
        var sector = directory[number];
        if (sector == 0) return null;
        table = Load(sector, header.TableEntries);
        if (table is null && redundant is not null && redundant[number] != 0) table = Load(redundant[number], header.TableEntries);
        if (table is null)
            throw ImageFormatException.Mismatch(file.Path, (header.DirectorySector * VmdkLayout.SectorBytes) + (number * sizeof(uint)), "grain directory entry", $"the sector of a grain table inside the file of {file.Length} bytes", $"{sector} in entry {number}");
        memory.Keep(this, number, table, TableBytes);
        return table;
    }

    private static byte[] ToBytes(uint[] table)
    {
        var bytes = new byte[table.Length * sizeof(uint)];
        for (var i = 0; i < table.Length; i++) BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(i * sizeof(uint)), table[i]);
        return bytes;
    }
}
