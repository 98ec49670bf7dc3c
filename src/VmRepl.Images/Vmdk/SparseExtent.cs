using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vmdk;

/// <summary>A hosted sparse extent (Virtual Disk Format 5.0, "Hosted Sparse Extent"): grains found through directory and tables, plain or compressed.</summary>
internal sealed class SparseExtent : GrainExtent
{
    private readonly IHostFile file;
    private readonly SparseHeader header;
    private readonly GrainTables tables;
    private readonly VmdkImage? parent;
    private readonly TableMemory memory;
    private readonly CompressedGrains? compressed;
    private readonly SparseWriting? writing;

    /// <param name="file">The extent's file; not owned.</param>
    /// <param name="header">Its header, or its footer where that has the directory.</param>
    /// <param name="start">Where the extent begins in the disk.</param>
    /// <param name="length">Bytes of the disk that it holds; at most the header's capacity.</param>
    /// <param name="parent">What is behind a delta; not owned.</param>
    /// <param name="memory">The chain's.</param>
    /// <param name="writable">Whether to write it; never with a parent or compression.</param>
    /// <param name="isNew">Whether it was made just now, with nothing in it.</param>
    public SparseExtent(IHostFile file, SparseHeader header, long start, long length, VmdkImage? parent, TableMemory memory, bool writable, bool isNew = false)
        : base(file, start, length, header.GrainBytes, parent)
    {
        this.file = file;
        this.header = header;
        this.parent = parent;
        this.memory = memory;
        tables = new GrainTables(file, header, memory);
        compressed = header.IsCompressed ? new CompressedGrains(file, header, memory) : null;
        writing = writable ? new SparseWriting(file, header, tables, isNew, parent is null ? null : new GrainsBehind(parent, start)) : null;
    }

    /// <summary>Bytes that the embedded descriptor may have.</summary>
    public long DescriptorBytes => header.DescriptorSectors * VmdkLayout.SectorBytes;

    public override void Write(long offset, ReadOnlySpan<byte> data) => Writing.Write(offset, data);

    public override void Punch(long offset, long length) => Writing.Punch(offset, length, Length);

    public override void Flush() => writing?.Flush();

    public override void Close() => writing?.Close();

    public override VmdkExtent Grown(long length) => new SparseExtent(file, SparseGrowth.Run(file, header, tables, length / VmdkLayout.SectorBytes), Start, length, parent, memory, writable: true);

    public override IEnumerable<ImageFinding> Check() => SparseCheck.Run(file, header, tables);

    protected override GrainRun Locate(long grain)
    {
        if (tables.AbsentFrom(grain) is > 0 and var absent) return new GrainRun(BlockState.Unallocated, -1, absent);
        var entry = tables[grain];
        if (entry == 0) return new GrainRun(BlockState.Unallocated);
        if (entry == 1 && header.Flags.HasFlag(SparseFlags.ZeroedGrains)) return new GrainRun(BlockState.Zero);
        RequirePlace(grain, entry);
        return new GrainRun(compressed is null ? BlockState.Data : BlockState.Compressed, (long)entry * VmdkLayout.SectorBytes);
    }

    protected override void ReadCompressed(long grain, long place, int inGrain, Span<byte> buffer) =>
        compressed!.Read(place, GrainLength(grain), grain, inGrain, buffer);

    private SparseWriting Writing => writing ?? throw new NotSupportedException($"{file.Path} is open for reading only");

    private void RequirePlace(long grain, uint sector)
    {
        var needed = compressed is null ? GrainLength(grain) : CompressedGrains.MarkerBytes;
        if (sector >= header.OverheadSectors && sector > 0 && needed <= file.Length - ((long)sector * VmdkLayout.SectorBytes)) return;
        throw ImageFormatException.Mismatch(file.Path, tables.EntryOffset(grain), "grain table entry", $"a sector between the overhead of {header.OverheadSectors} and the file's end at {file.Length}", $"{sector} for grain {grain}");
    }
}
