using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vhdx;

/// <summary>
/// An open VHDX: fixed, dynamic, or differencing with its parents; what a read gives goes by the blocks' states ([MS-VHDX] 2.5.1.1). Reading is here; what writing adds is <see cref="VhdxWriting"/>'s.
/// A log found at opening has been replayed, in the file or over it.
/// </summary>
internal sealed class VhdxImage : IDiskImage
{
    private readonly VhdxFile file;
    private readonly Func<Guid>? newGuid;
    private readonly TableMemory memory;
    private VhdxStructure structure;
    private BlockTable table;
    private readonly VhdxImage? parent;
    private VhdxWriting? writing;
    private SectorBitmapChanges? bitmaps;
    private readonly bool hadLog;

    /// <param name="file">The file, its log replayed; owned.</param>
    /// <param name="structure">What was read from it.</param>
    /// <param name="parent">What is behind a differencing disk; owned.</param>
    /// <param name="hadLog">Whether a log was replayed.</param>
    /// <param name="newGuid">Makes identifiers for writing; null to open for reading only.</param>
    /// <param name="memory">The chain's.</param>
    public VhdxImage(VhdxFile file, VhdxStructure structure, VhdxImage? parent, bool hadLog, Func<Guid>? newGuid, TableMemory memory)
    {
        this.file = file;
        this.structure = structure;
        this.parent = parent;
        this.hadLog = hadLog;
        this.newGuid = newGuid;
        this.memory = memory;
        table = new BlockTable(file, structure, memory);
        if (newGuid is not null) BeginWriting(newGuid);
        Files = parent is null ? [file.File] : [file.File, .. parent.Files];
    }

    public ImageFormat Format => ImageFormat.Vhdx;

    public ImageDescription Description => new()
    {
        ClusterSize = structure.Geometry.BlockSize,
        BackingFile = structure.Metadata.Parent?.RelativePath ?? structure.Metadata.Parent?.AbsolutePath,
        BackingFormat = structure.Metadata.HasParent ? ImageFormat.Vhdx : null,
        Details = new Dictionary<string, string>
        {
            ["subformat"] = structure.Metadata.HasParent ? "differencing" : structure.Metadata.LeaveAllocated ? "fixed" : "dynamic",
            ["physical-sector-size"] = structure.Metadata.PhysicalSectorSize.ToString(System.Globalization.CultureInfo.InvariantCulture),
            ["log"] = hadLog ? "replayed" : "empty",
            ["data-write-guid"] = DataWriteGuid.ToString(),
        },
    };

    public IReadOnlyList<IHostFile> Files { get; }

    public IDiskImage? Parent => parent;

    public long Length => structure.Metadata.Length;

    public int SectorSize => structure.Metadata.LogicalSectorSize;

    public bool IsReadOnly => writing is null;

    /// <summary>Identifies the present contents; a child names its parent's.</summary>
    public Guid DataWriteGuid => structure.Headers.Current.DataWriteGuid;

    public void Read(long offset, Span<byte> buffer)
    {
        RequireInside(offset, buffer.Length);
        while (buffer.Length > 0)
        {
            var inBlock = offset % structure.Geometry.BlockSize;
            var count = (int)Math.Min(buffer.Length, structure.Geometry.BlockSize - inBlock);
            ReadInBlock(offset, inBlock, buffer[..count]);
            buffer = buffer[count..];
            offset += count;
        }
    }

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        RequireInside(offset, data.Length);
        Writing.Write(offset, data);
    }

    public void Zero(long offset, long length) => Punch(offset, length);

    public void Punch(long offset, long length)
    {
        RequireInside(offset, length);
        Writing.Punch(offset, length);
    }

    public void Flush() => writing?.Flush();

    public bool HasUnwritten => writing?.HasUnwritten == true;

    /// <summary>As <see cref="VhdxResize"/> has it; afterwards everything is as if the file had been opened anew.</summary>
    public void Resize(long length)
    {
        Writing.Close();
        Writing.RequireSound();
        new VhdxResize(file, structure, newGuid!).Run(length);
        structure = VhdxStructure.Read(file, VhdxHeaderPair.Read(file));
        table = new BlockTable(file, structure, memory);
        BeginWriting(newGuid!);
    }

    public IEnumerable<MapExtent> Map(long offset, long length)
    {
        RequireInside(offset, length);
        return MapRuns.Coalesce(VhdxMap.Blocks(file, structure, table, parent, offset, length, bitmaps));
    }

    public IEnumerable<ImageFinding> Check() => [.. VhdxCheck.Run(file, structure, table, hadLog), .. parent?.Check() ?? []];

    public void Dispose()
    {
        try
        {
            writing?.Close();
        }
        finally
        {
            file.File.Dispose();
            parent?.Dispose();
        }
    }

    private void BeginWriting(Func<Guid> guids)
    {
        bitmaps = parent is null ? null : new SectorBitmapChanges(file);
        writing = new VhdxWriting(file, structure, table, guids, bitmaps, this);
    }

    private VhdxWriting Writing => writing ?? throw new NotSupportedException($"{file.Path} is open for reading only");

    private void ReadInBlock(long offset, long inBlock, Span<byte> buffer)
    {
        var block = offset / structure.Geometry.BlockSize;
        var index = structure.Geometry.PayloadIndex(block);
        var entry = table[index];
        switch (entry.State)
        {
            case PayloadState.FullyPresent:
                file.Read(structure.LocatePayload(file, entry, block) + inBlock, buffer, "block");
                break;
            case PayloadState.PartiallyPresent:
                structure.RequireParent(file, index);
                var place = structure.LocatePayload(file, entry, block);
                foreach (var (run, isHere) in SectorBitmap.Runs(file, structure, table, offset, buffer.Length, bitmaps))
                {
                    var part = buffer.Slice((int)(run.Offset - offset), (int)run.Length);
                    if (isHere) file.Read(place + inBlock + (run.Offset - offset), part, "block");
                    else parent.ReadBehind(run.Offset, part);
                }

                break;
            case PayloadState.NotPresent:
                parent.ReadBehind(offset, buffer);
                break;
            case PayloadState.Undefined or PayloadState.Zero or PayloadState.Unmapped or PayloadState.UnmappedDraft:
                buffer.Clear();
                break;
            default:
                throw structure.BadState(file, entry, index);
        }
    }

    private void RequireInside(long offset, long length) => DiskRange.RequireInside(this, file.Path, offset, length);
}
