using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vmdk;

/// <summary>An extent whose bytes stand as they are in a file, from an offset on (FLAT, VMFS; Virtual Disk Format 5.0, "The Extent Description").</summary>
internal sealed class FlatExtent(IHostFile file, long fileOffset, long start, long length) : VmdkExtent(start, length)
{
    private const int PieceBytes = 1 << 20;

    public override void Read(long offset, Span<byte> buffer)
    {
        var read = file.Read(fileOffset + offset, buffer);
        if (read < buffer.Length) throw ImageFormatException.Mismatch(file.Path, fileOffset + offset + read, "flat extent", $"followed by {buffer.Length - read} bytes", "cut by the file's end: the file became shorter than its extent");
    }

    public override void Write(long offset, ReadOnlySpan<byte> data) => file.Write(fileOffset + offset, data);

    public override void Punch(long offset, long length) => file.Clear(fileOffset + offset, length);

    public override void Flush() => file.Flush();

    public override VmdkExtent Grown(long length)
    {
        var end = fileOffset + Length;
        // What the file has behind the extent's end would come into the disk. Zeros are there after a crash between this and the descriptor.
        if (!IsZero(end, file.Length - end)) throw new NotSupportedException($"{file.Path}: has contents behind the extent's end at {end}, so the extent cannot grow");
        if (file.Length < fileOffset + length) file.SetLength(fileOffset + length);
        file.Flush();
        return new FlatExtent(file, fileOffset, Start, length);
    }

    public override IEnumerable<MapExtent> Map(long offset, long length) =>
        file.MapStored(new MapExtent(Start + offset, length, BlockState.Data, 0, fileOffset + offset), BlockState.Unallocated);

    private bool IsZero(long offset, long length)
    {
        var buffer = new byte[PieceBytes];
        foreach (var run in file.Map(offset, length).Where(r => !r.IsHole))
        {
            for (var at = run.Offset; at < run.End; at += buffer.Length)
            {
                var piece = buffer.AsSpan(0, (int)Math.Min(buffer.Length, run.End - at));
                file.ReadExactly(at, piece);
                if (!Sectors.IsZero(piece)) return false;
            }
        }

        return true;
    }
}
