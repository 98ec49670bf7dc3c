using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Images.Changes;

namespace VmRepl.Images.Qcow2;

/// <summary>
/// An open QCOW2 image with its chain. Reads may run beside each other and beside writes; what may not is sorted out in <see cref="Qcow2Writer"/>.
/// The file's length is taken at opening: bytes past it are never zeros but an error.
/// </summary>
internal sealed class Qcow2Image : IDiskImage
{
    /// <summary>Entries of L2 tables that a map follows beyond those that the file has room for: half a second's work.</summary>
    private const long RepeatedEntriesMax = 1 << 19;

    private readonly IHostFile file;
    private readonly IHostFile dataFile;
    private readonly Qcow2Header header;
    private readonly IDiskImage? parent;
    private readonly ClusterMap clusters;
    private readonly CompressedClusters compressed;
    private readonly Qcow2Writer? writer;

    /// <param name="file">The image; owned.</param>
    /// <param name="dataFile">Where data clusters are: the same file, or an external one, then owned.</param>
    /// <param name="header">Checked.</param>
    /// <param name="parent">Owned, or null.</param>
    /// <param name="memory">The chain's.</param>
    /// <param name="canWrite">Whether the image was opened for writing.</param>
    /// <param name="isNew">Whether it was made just now and nobody counts on what it holds yet.</param>
    public Qcow2Image(IHostFile file, IHostFile dataFile, Qcow2Header header, IDiskImage? parent, TableMemory memory, bool canWrite, bool isNew = false)
    {
        this.file = file;
        this.dataFile = dataFile;
        this.header = header;
        this.parent = parent;
        var fileLength = dataFile.Length;
        var tables = new L2Cache(file, header, memory, isWhole: canWrite);
        compressed = new CompressedClusters(file, header, memory);
        writer = canWrite ? new Qcow2Writer(file, header, tables, ReadCluster, parent is not null, isNew) : null;
        clusters = new ClusterMap(file, dataFile, header, tables, writer is null ? () => fileLength : () => writer.EndOfFile);
        writer?.Attach(clusters);
        Description = Qcow2Describer.Describe(header);
        Files = [file, .. ReferenceEquals(file, dataFile) ? (IHostFile[])[] : [dataFile], .. parent?.Files ?? []];
    }

    public ImageFormat Format => ImageFormat.Qcow2;

    public ImageDescription Description { get; }

    /// <summary>Whether this is the disk as of an internal snapshot; bitmaps speak of the active disk only.</summary>
    public bool IsSnapshot { get; init; }

    public IReadOnlyList<ImageSnapshot> Snapshots =>
        [.. Qcow2SnapshotTable.Read(file, header, damage => throw damage).Select(s => s.Facts)];

    /// <summary>By the header as it is now: whoever opens the image for writing takes the bitmaps out of force.</summary>
    public IReadOnlyList<IChangeTrack> ChangeTracks => IsSnapshot ? [] : Qcow2BitmapDirectory.Read(file, Qcow2HeaderReader.Read(file));

    /// <summary>Clusters of the refcount table as the header had it at opening.</summary>
    internal int RefcountTableClusters => header.RefcountTableClusters;

    public IReadOnlyList<IHostFile> Files { get; }

    public IDiskImage? Parent => parent;

    public long Length => header.DiskLength;

    public int SectorSize => Sectors.Size;

    public bool IsReadOnly => writer is null;

    public void Read(long offset, Span<byte> buffer)
    {
        RequireInside(offset, buffer.Length);
        if (writer is null)
        {
            ReadRuns(offset, buffer);
            return;
        }

        writer.Gate.EnterReadLock();
        try
        {
            ReadRuns(offset, buffer);
        }
        finally
        {
            writer.Gate.ExitReadLock();
        }
    }

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        RequireInside(offset, data.Length);
        Writer().Write(offset, data);
    }

    public void Zero(long offset, long length)
    {
        RequireInside(offset, length);
        Writer().Zero(offset, length);
    }

    public void Punch(long offset, long length)
    {
        RequireInside(offset, length);
        Writer().Zero(offset, length);
    }

    public void Flush() => writer?.Flush();

    public bool HasUnwritten => writer?.HasUnwritten == true;

    public void Resize(long length)
    {
        if (length <= 0 || !Sectors.IsAligned(length, Sectors.Size)) throw new ArgumentOutOfRangeException(nameof(length), length, "a QCOW2 disk has a multiple of 512 bytes");
        Writer().Resize(length, parent?.Length ?? 0);
    }

    public IEnumerable<MapExtent> Map(long offset, long length)
    {
        RequireInside(offset, length);
        return MapRuns(offset, length);
    }

    public IEnumerable<ImageFinding> Check()
    {
        writer?.Flush();
        // The header as it is now: a writer may have moved the refcount table since.
        return new Qcow2Check(file, Qcow2HeaderReader.Read(file)).Run();
    }

    public void Dispose()
    {
        try
        {
            writer?.Dispose();
        }
        finally
        {
            parent?.Dispose();
            if (!ReferenceEquals(file, dataFile)) dataFile.Dispose();
            file.Dispose();
        }
    }

    private IEnumerable<MapExtent> MapRuns(long offset, long length)
    {
        var pending = default(MapExtent);
        foreach (var run in LayeredRuns(offset, length))
        {
            if (pending.Length > 0 && Joins(pending, run))
            {
                pending = pending with { Length = pending.Length + run.Length };
                continue;
            }

            if (pending.Length > 0) yield return pending;
            pending = run;
        }

        if (pending.Length > 0) yield return pending;
    }

    private IEnumerable<MapExtent> LayeredRuns(long offset, long length) => parent.MapUnder(OwnRuns(offset, offset + length), offset, offset + length);

    private IEnumerable<MapExtent> OwnRuns(long offset, long end)
    {
        var (table, tables) = (-1L, 0L);
        while (offset < end)
        {
            var run = FindForMap(offset, end - offset);
            if (run.Offset / header.BytesPerL2 is var index && index != table && run.Length < header.BytesPerL2) RequireRoomForTables(table = index, ++tables);
            offset = run.End;
            if (run.Kind != ClusterKind.Unallocated) yield return new MapExtent(run.Offset, run.Length, State(run.Kind), 0, run.Kind == ClusterKind.Data ? run.Host : -1);
        }
    }

    /// <summary>Tables may be named more than once, as clusters may; but not so often that a small file keeps its reader busy for hours.</summary>
    private void RequireRoomForTables(long index, long tables)
    {
        var room = Math.Max(0, (writer?.EndOfFile ?? file.Length) - ((long)header.L1Entries * sizeof(ulong))) / header.ClusterSize;
        if ((tables - room) * header.L2EntriesPerTable <= RepeatedEntriesMax) return;
        throw ImageFormatException.Mismatch(file.Path, header.L1Offset + (index * sizeof(ulong)), "L1 entry", $"the place of a table that is not named again and again: the file has room for {room}", $"that of a table after {tables - 1} others");
    }

    private ClusterRun FindForMap(long offset, long length) => writer is null ? clusters.Find(offset, length) : writer.Find(offset, length);

    private static bool Joins(MapExtent left, MapExtent right) =>
        left.State == right.State && left.Depth == right.Depth && (left.FileOffset < 0 ? right.FileOffset < 0 : right.FileOffset == left.FileOffset + left.Length);

    private static BlockState State(ClusterKind kind) => kind switch
    {
        ClusterKind.Unallocated => BlockState.Unallocated,
        ClusterKind.Zero => BlockState.Zero,
        ClusterKind.Compressed => BlockState.Compressed,
        _ => BlockState.Data,
    };

    private void ReadRuns(long offset, Span<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            var run = FindForMap(offset, buffer.Length);
            ReadRun(run, buffer[..(int)run.Length]);
            offset = run.End;
            buffer = buffer[(int)run.Length..];
        }
    }

    /// <summary>Reads a range as it is now for the writer, which holds its own locks.</summary>
    private void ReadCluster(long offset, Span<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            var run = clusters.Find(offset, buffer.Length);
            ReadRun(run, buffer[..(int)run.Length]);
            offset = run.End;
            buffer = buffer[(int)run.Length..];
        }
    }

    private void ReadRun(ClusterRun run, Span<byte> buffer)
    {
        switch (run.Kind)
        {
            case ClusterKind.Data:
                dataFile.ReadField(run.Host, buffer, "data cluster");
                break;
            case ClusterKind.Compressed:
                compressed.Read((ulong)run.Host, (int)(run.Offset & (header.ClusterSize - 1)), buffer);
                break;
            case ClusterKind.Unallocated when parent is not null:
                parent.ReadBehind(run.Offset, buffer);
                break;
            default:
                buffer.Clear();
                break;
        }
    }

    private Qcow2Writer Writer() => writer ?? throw new NotSupportedException($"{file.Path} is open for reading only");

    private void RequireInside(long offset, long length) => DiskRange.RequireInside(this, file.Path, offset, length);
}
