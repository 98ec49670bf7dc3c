using System.Buffers.Binary;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vmdk;

/// <summary>An ESX server sparse extent (vmfsSparse, Virtual Disk Format 5.0): a directory of 32-bit sector numbers, tables of 4096 of them, grains. Only read.</summary>
internal sealed class CowExtent : GrainExtent
{
    private readonly IHostFile file;
    private readonly CowHeader header;
    private readonly GrainDirectory directory;
    private readonly TableCache tables;

    /// <param name="file">The extent's file; not owned.</param>
    /// <param name="header">Checked.</param>
    /// <param name="start">Where the extent begins in the disk.</param>
    /// <param name="length">Bytes of the disk that it holds; at most the header's capacity.</param>
    /// <param name="parent">What is behind a delta; not owned.</param>
    /// <param name="memory">The chain's.</param>
    public CowExtent(IHostFile file, CowHeader header, long start, long length, VmdkImage? parent, TableMemory memory)
        : base(file, start, length, header.GrainBytes, parent)
    {
        this.file = file;
        this.header = header;
        directory = GrainDirectory.At(file, memory, header.DirectorySector, header.DirectoryEntries)
            ?? throw ImageFormatException.Mismatch(file.Path, header.DirectorySector * VmdkLayout.SectorBytes, "grain directory", "inside the file", "behind its end: the file became shorter");
        tables = new TableCache(file, memory, CowHeader.TableEntries * sizeof(uint));
    }

    public override void Write(long offset, ReadOnlySpan<byte> data) => throw ReadOnly();

    public override void Punch(long offset, long length) => throw ReadOnly();

    public override void Flush()
    {
    }

    protected override GrainRun Locate(long grain)
    {
        var (number, index) = Math.DivRem(grain, CowHeader.TableEntries);
        var place = (long)directory[number] * VmdkLayout.SectorBytes;
        if (place == 0) return new GrainRun(BlockState.Unallocated, -1, CowHeader.TableEntries - index);
        if (place < CowHeader.Bytes || place > file.Length - (CowHeader.TableEntries * sizeof(uint)))
        {
            throw ImageFormatException.Mismatch(file.Path, (header.DirectorySector * VmdkLayout.SectorBytes) + (number * sizeof(uint)), "grain directory entry",
                $"a sector behind the header with a grain table before the file's end at {file.Length}", $"{directory[number]} in entry {number}");
        }

        var sector = BinaryPrimitives.ReadUInt32LittleEndian(tables.At(place).AsSpan((int)index * sizeof(uint)));
        if (sector == 0) return new GrainRun(BlockState.Unallocated);
        var data = (long)sector * VmdkLayout.SectorBytes;
        if (data < CowHeader.Bytes || GrainLength(grain) > file.Length - data)
        {
            throw ImageFormatException.Mismatch(file.Path, place + (index * sizeof(uint)), "grain table entry",
                $"a sector behind the header with a grain before the file's end at {file.Length}", $"{sector} for grain {grain}");
        }

        return new GrainRun(BlockState.Data, data);
    }

    private NotSupportedException ReadOnly() => new($"{file.Path} is a vmfsSparse extent, which is only read");
}
