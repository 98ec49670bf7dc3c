using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vmdk;

/// <summary>A hosted sparse extent: grains found through directory and tables, plain or compressed. What it lacks comes from the parent, else it is zeros.</summary>
internal sealed class SparseExtent : VmdkExtent
{
    private readonly IHostFile file;
    private readonly SparseHeader header;
    private readonly GrainTables tables;
    private readonly VmdkImage? parent;
    private readonly CompressedGrains? compressed;
    private readonly SparseWriting? writing;

    /// <param name="file">The extent's file; not owned.</param>
    /// <param name="header">Its header, or its footer where that has the directory.</param>
    /// <param name="start">Where the extent begins in the disk.</param>
    /// <param name="length">Bytes of the disk that it holds; at most the header's capacity.</param>
    /// <param name="parent">What is behind a delta; not owned.</param>
    /// <param name="writable">Whether to write it; never with a parent or compression.</param>
    /// <param name="isNew">Whether it was made just now, with nothing in it.</param>
    public SparseExtent(IHostFile file, SparseHeader header, long start, long length, VmdkImage? parent, bool writable, bool isNew = false)
        : base(start, length)
    {
        this.file = file;
        this.header = header;
        this.parent = parent;
        tables = new GrainTables(file, header);
        compressed = header.IsCompressed ? new CompressedGrains(file, header) : null;
        writing = writable ? new SparseWriting(file, header, tables, isNew, parent is null ? null : new GrainsBehind(parent, start)) : null;
    }

    public int GrainBytes => header.GrainBytes;

    /// <summary>Bytes that the embedded descriptor may have.</summary>
    public long DescriptorBytes => header.DescriptorSectors * VmdkLayout.SectorBytes;

    public override void Read(long offset, Span<byte> buffer)
    {
        while (buffer.Length > 0)
        {
            var run = RunAt(offset, buffer.Length);
            var part = buffer[..(int)run.Length];
            if (run.State == BlockState.Compressed) compressed!.Read(run.FileOffset, GrainLength(offset / GrainBytes), offset / GrainBytes, (int)(offset % GrainBytes), part);
            else if (run.State == BlockState.Data) ReadStored(run.FileOffset, part);
            else if (run.State == BlockState.Unallocated && parent is not null) ReadParent(offset, part);
            else part.Clear();
            buffer = buffer[(int)run.Length..];
            offset += run.Length;
        }
    }

    public override void Write(long offset, ReadOnlySpan<byte> data) => Writing.Write(offset, data);

    public override void Punch(long offset, long length) => Writing.Punch(offset, length, Length);

    public override void Flush() => writing?.Flush();

    public override void Close() => writing?.Close();

    public override VmdkExtent Grown(long length) => new SparseExtent(file, SparseGrowth.Run(file, header, tables, length / VmdkLayout.SectorBytes), Start, length, parent, writable: true);

    public override IEnumerable<MapExtent> Map(long offset, long length)
    {
        for (var end = offset + length; offset < end;)
        {
            var run = RunAt(offset, end - offset);
            foreach (var part in Parts(run, Start + offset)) yield return part;
            offset += run.Length;
        }
    }

    public override IEnumerable<ImageFinding> Check() => SparseCheck.Run(file, header, tables);

    private SparseWriting Writing => writing ?? throw new NotSupportedException($"{file.Path} is open for reading only");

    /// <summary>The longest run from <paramref name="offset"/> on, at most <paramref name="most"/> bytes, that is one in kind and in the file. Its <c>Offset</c> is the extent's.</summary>
    private MapExtent RunAt(long offset, long most)
    {
        var grain = offset / GrainBytes;
        var inGrain = offset % GrainBytes;
        var first = Locate(grain, inGrain);
        var length = GrainBytes - inGrain;
        if (first.State == BlockState.Compressed) return first with { Offset = offset, Length = Math.Min(length, most) };
        while (length < most)
        {
            var next = Locate(++grain, 0);
            if (next.State != first.State || (first.FileOffset >= 0 && next.FileOffset != first.FileOffset + length)) break;
            length += GrainBytes;
        }

        return first with { Offset = offset, Length = Math.Min(length, most) };
    }

    private MapExtent Locate(long grain, long inGrain)
    {
        var entry = tables[grain];
        if (entry == 0) return new MapExtent(0, 1, BlockState.Unallocated);
        if (entry == 1 && header.Flags.HasFlag(SparseFlags.ZeroedGrains)) return new MapExtent(0, 1, BlockState.Zero);
        RequirePlace(grain, entry);
        var place = (long)entry * VmdkLayout.SectorBytes;
        return compressed is null ? new MapExtent(0, 1, BlockState.Data, 0, place + inGrain) : new MapExtent(0, 1, BlockState.Compressed, 0, place);
    }

    private void RequirePlace(long grain, uint sector)
    {
        // The last grain may be cut at the end of the disk, and so of the file.
        var needed = compressed is null ? GrainLength(grain) : CompressedGrains.MarkerBytes;
        if (sector >= header.OverheadSectors && sector > 0 && needed <= file.Length - ((long)sector * VmdkLayout.SectorBytes)) return;
        throw new ImageFormatException(file.Path, tables.EntryOffset(grain), "grain table entry", $"of grain {grain} is sector {sector}: not between the overhead of {header.OverheadSectors} sectors and the file's end at {file.Length}");
    }

    /// <summary>Bytes of a grain that are of the disk.</summary>
    private int GrainLength(long grain) => (int)Math.Min(GrainBytes, Length - (grain * GrainBytes));

    private IEnumerable<MapExtent> Parts(MapExtent run, long diskOffset)
    {
        if (run.State == BlockState.Compressed) return [run with { Offset = diskOffset, FileOffset = -1 }];
        if (run.State == BlockState.Data) return Holes(run with { Offset = diskOffset });
        if (run.State == BlockState.Unallocated && parent is not null) return Behind(diskOffset, run.Length);
        return [new MapExtent(diskOffset, run.Length, run.State)];
    }

    /// <summary>Holes of the host file inside stored grains are zeros that need not be read.</summary>
    private IEnumerable<MapExtent> Holes(MapExtent stored)
    {
        var at = stored.Offset;
        foreach (var run in file.Map(stored.FileOffset, stored.Length))
        {
            yield return run.IsHole ? new MapExtent(at, run.Length, BlockState.Zero) : new MapExtent(at, run.Length, BlockState.Data, 0, run.Offset);
            at += run.Length;
        }

        if (at < stored.End) yield return new MapExtent(at, stored.End - at, BlockState.Data, 0, stored.FileOffset + (at - stored.Offset));
    }

    private IEnumerable<MapExtent> Behind(long at, long length)
    {
        var inParent = Math.Clamp(parent!.Length - at, 0, length);
        if (inParent > 0)
            foreach (var run in parent.Map(at, inParent)) yield return run with { Depth = run.Depth + 1 };
        if (inParent < length) yield return new MapExtent(at + inParent, length - inParent, BlockState.Unallocated);
    }

    private void ReadStored(long fileOffset, Span<byte> buffer)
    {
        var read = file.Read(fileOffset, buffer);
        if (read < buffer.Length) throw new ImageFormatException(file.Path, fileOffset + read, "grain", "the file ended while it was read");
    }

    private void ReadParent(long offset, Span<byte> buffer)
    {
        var inParent = (int)Math.Clamp(parent!.Length - (Start + offset), 0, buffer.Length);
        if (inParent > 0) parent.Read(Start + offset, buffer[..inParent]);
        buffer[inParent..].Clear();
    }
}
