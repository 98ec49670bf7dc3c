using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vmdk;

/// <summary>An extent made of grains of one size, found through tables of some kind (Virtual Disk Format 5.0, "Grain Directory", "Grain Table"). What it lacks comes from the parent, else it is zeros.</summary>
/// <param name="file">The extent's file; not owned.</param>
/// <param name="start">Where the extent begins in the disk, bytes.</param>
/// <param name="length">Bytes of the disk that it holds.</param>
/// <param name="grainBytes">Size of a grain.</param>
/// <param name="parent">What is behind a delta; not owned.</param>
internal abstract class GrainExtent(IHostFile file, long start, long length, int grainBytes, VmdkImage? parent) : VmdkExtent(start, length)
{
    public int GrainBytes => grainBytes;

    public sealed override void Read(long offset, Span<byte> buffer)
    {
        while (buffer.Length > 0)
        {
            var run = RunAt(offset, buffer.Length);
            var part = buffer[..(int)run.Length];
            if (run.State == BlockState.Compressed) ReadCompressed(offset / grainBytes, run.FileOffset, (int)(offset % grainBytes), part);
            else if (run.State == BlockState.Data) ReadStored(run.FileOffset, part);
            else if (run.State == BlockState.Unallocated && parent is not null) parent.ReadBehind(Start + offset, part);
            else part.Clear();
            buffer = buffer[(int)run.Length..];
            offset += run.Length;
        }
    }

    public sealed override IEnumerable<MapExtent> Map(long offset, long length)
    {
        var cursor = new StoredRunCursor(file);
        var storedBytes = 0L;
        for (var end = offset + length; offset < end;)
        {
            var run = RunAt(offset, end - offset);
            // No two grains lie in one place, and a compressed one takes a sector at least; hostile tables can name one grain a billion times.
            storedBytes += run.State == BlockState.Data ? run.Length : run.State == BlockState.Compressed ? VmdkLayout.SectorBytes : 0;
            if (storedBytes > file.Length)
                throw ImageFormatException.Mismatch(file.Path, -1, "grain tables", $"of grains with places of their own in the file of {file.Length} bytes", $"of {storedBytes} bytes of grains up to grain {offset / grainBytes}");
            foreach (var part in Parts(run, Start + offset, cursor)) yield return part;
            offset += run.Length;
        }
    }

    /// <summary>What the tables say about <paramref name="grain"/>; its place has been checked against the file.</summary>
    /// <exception cref="ImageFormatException">An entry is impossible or leads out of the file.</exception>
    protected abstract GrainRun Locate(long grain);

    /// <summary>Fills the buffer from a compressed grain.</summary>
    /// <param name="grain">Its number.</param>
    /// <param name="place">Where its marker stands.</param>
    /// <param name="inGrain">Where to begin in it.</param>
    /// <param name="buffer">Is filled.</param>
    protected virtual void ReadCompressed(long grain, long place, int inGrain, Span<byte> buffer) =>
        throw new NotSupportedException($"{file.Path}: has no compressed grains");

    /// <summary>Bytes of a grain that are of the disk: the last one may be cut at the disk's end, and so at the file's.</summary>
    protected int GrainLength(long grain) => (int)Math.Min(grainBytes, Length - (grain * grainBytes));

    /// <summary>The longest run from <paramref name="offset"/> on, at most <paramref name="most"/> bytes, that is one in kind and in the file. Its <c>Offset</c> is the extent's.</summary>
    private MapExtent RunAt(long offset, long most)
    {
        var grain = offset / grainBytes;
        var inGrain = offset % grainBytes;
        var first = Locate(grain);
        var length = (first.Grains * grainBytes) - inGrain;
        while (length < most && first.State != BlockState.Compressed)
        {
            var next = Locate((offset + length) / grainBytes);
            if (next.State != first.State || (first.Place >= 0 && next.Place != first.Place + inGrain + length)) break;
            length += next.Grains * grainBytes;
        }

        var place = first.State == BlockState.Data ? first.Place + inGrain : first.Place;
        return new MapExtent(offset, Math.Min(length, most), first.State, 0, place);
    }

    private IEnumerable<MapExtent> Parts(MapExtent run, long diskOffset, StoredRunCursor cursor)
    {
        if (run.State == BlockState.Compressed) return [run with { Offset = diskOffset, FileOffset = -1 }];
        if (run.State == BlockState.Data) return cursor.Map(run with { Offset = diskOffset });
        if (run.State == BlockState.Unallocated && parent is not null) return parent.MapBehind(diskOffset, run.Length);
        return [new MapExtent(diskOffset, run.Length, run.State)];
    }

    private void ReadStored(long fileOffset, Span<byte> buffer)
    {
        var read = file.Read(fileOffset, buffer);
        if (read < buffer.Length) throw ImageFormatException.Mismatch(file.Path, fileOffset + read, "grain", $"followed by {buffer.Length - read} bytes", "cut by the file's end");
    }
}
