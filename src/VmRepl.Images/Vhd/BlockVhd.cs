using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vhd;

/// <summary>
/// A dynamic disk, or a differencing one with its parents. Reading is here; what writing adds is <see cref="VhdWriting"/>'s.
/// <para>
/// The sector bitmaps count in differencing disks alone. In a dynamic one a clear bit says that the sector was never written, and that it holds zeros then
/// ("Block Allocation Table and Data Blocks"): reading the sector gives them too, and what a writer that forgot to set bits has written. QEMU does the same.
/// </para>
/// </summary>
internal sealed class BlockVhd : VhdImage
{
    private readonly VhdImage? parent;
    private readonly SectorBitmaps? bitmaps;
    private readonly TableMemory memory;
    private VhdStructure structure;
    private BlockTable table;
    private VhdStamp? stamp;
    private VhdWriting? writing;

    /// <param name="structure">What was read from the file, which is owned.</param>
    /// <param name="parent">What is behind a differencing disk; owned.</param>
    /// <param name="stamp">Marks the first change; null to open for reading only.</param>
    /// <param name="memory">The chain's.</param>
    /// <exception cref="ImageFormatException">It is to be written, and its table is damaged.</exception>
    public BlockVhd(VhdStructure structure, VhdImage? parent, VhdStamp? stamp, TableMemory memory)
        : base(structure.File, structure.Footers)
    {
        this.structure = structure;
        this.parent = parent;
        this.stamp = stamp;
        this.memory = memory;
        table = new BlockTable(structure, memory, isWhole: stamp is not null);
        bitmaps = structure.IsDifferencing ? new SectorBitmaps(structure) : null;
        writing = stamp is null ? null : new VhdWriting(structure, table, bitmaps, stamp, this);
        Files = parent is null ? [File.File] : [File.File, .. parent.Files];
    }

    public override ImageDescription Description => new()
    {
        ClusterSize = structure.BlockSize,
        BackingFile = structure.IsDifferencing ? VhdParentName.Read(structure).Text : null,
        BackingFormat = structure.IsDifferencing ? ImageFormat.Vhd : null,
        Details = Describe(),
    };

    public override IReadOnlyList<IHostFile> Files { get; }

    public override IDiskImage? Parent => parent;

    public override bool IsReadOnly => writing is null;

    private VhdWriting Writing => writing ?? throw new NotSupportedException($"{File.File.Path} is open for reading only");

    public override void Read(long offset, Span<byte> buffer)
    {
        RequireInside(offset, buffer.Length);
        while (buffer.Length > 0)
        {
            var inBlock = offset % structure.BlockSize;
            var count = (int)Math.Min(buffer.Length, structure.BlockSize - inBlock);
            ReadInBlock(offset, inBlock, buffer[..count]);
            buffer = buffer[count..];
            offset += count;
        }
    }

    public override void Write(long offset, ReadOnlySpan<byte> data)
    {
        RequireInside(offset, data.Length);
        Writing.Write(offset, data);
    }

    public override void Punch(long offset, long length)
    {
        RequireInside(offset, length);
        Writing.Punch(offset, length);
    }

    public override void Flush() => writing?.Flush();

    /// <summary>As <see cref="VhdResize"/> has it; afterwards everything is as if the file had been opened anew.</summary>
    public override void Resize(long length)
    {
        Writing.Close();
        Writing.RequireSound();
        if (structure.IsDifferencing) throw new NotSupportedException($"{File.File.Path}: a differencing VHD is as long as its parent");
        stamp!.Mark();
        VhdResize.Blocks(VhdStructure.Read(File, VhdFooters.Read(File)), memory, length);
        Footers = VhdFooters.Read(File);
        structure = VhdStructure.Read(File, Footers);
        table = new BlockTable(structure, memory, isWhole: true);
        stamp = new VhdStamp(File, Footers, TimeProvider.System, isNew: false);
        writing = new VhdWriting(structure, table, null, stamp, this);
    }

    public override IEnumerable<MapExtent> Map(long offset, long length)
    {
        RequireInside(offset, length);
        return MapRuns.Coalesce(VhdMap.Blocks(structure, table, bitmaps, parent, offset, length));
    }

    public override IEnumerable<ImageFinding> Check() => [.. VhdCheck.Run(structure, table.Whole(), parent), .. parent?.Check() ?? []];

    public override void Dispose()
    {
        try
        {
            writing?.Close();
        }
        finally
        {
            File.File.Dispose();
            parent?.Dispose();
        }
    }

    private void ReadInBlock(long offset, long inBlock, Span<byte> buffer)
    {
        var block = offset / structure.BlockSize;
        if (table.Place(block) is not { } place)
        {
            parent.ReadBehind(offset, buffer);
            return;
        }

        var data = place + structure.BitmapBytes;
        if (bitmaps is null)
        {
            File.Read(data + inBlock, buffer, "block");
            return;
        }

        foreach (var (run, isHere) in bitmaps.Runs(block, place, new Extent(inBlock, buffer.Length)))
        {
            var part = buffer.Slice((int)(run.Offset - inBlock), (int)run.Length);
            if (isHere) File.Read(data + run.Offset, part, "block");
            else parent.ReadBehind(offset + (run.Offset - inBlock), part);
        }
    }
}
