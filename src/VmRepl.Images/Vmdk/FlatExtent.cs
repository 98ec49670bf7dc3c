using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vmdk;

/// <summary>An extent whose bytes stand as they are in a file, from an offset on (FLAT, VMFS).</summary>
internal sealed class FlatExtent(IHostFile file, long fileOffset, long start, long length) : VmdkExtent(start, length)
{
    private const int ZerosAtOnce = 1 << 20;

    public override void Read(long offset, Span<byte> buffer)
    {
        var read = file.Read(fileOffset + offset, buffer);
        if (read < buffer.Length) throw new ImageFormatException(file.Path, fileOffset + offset + read, "flat extent", "the file became shorter than its extent");
    }

    public override void Write(long offset, ReadOnlySpan<byte> data) => file.Write(fileOffset + offset, data);

    public override void Punch(long offset, long length)
    {
        if (length == 0 || file.TryPunch(fileOffset + offset, length)) return;
        var zeros = new byte[(int)Math.Min(length, ZerosAtOnce)];
        for (long done = 0; done < length; done += zeros.Length) file.Write(fileOffset + offset + done, zeros.AsSpan(0, (int)Math.Min(zeros.Length, length - done)));
    }

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

    public override IEnumerable<MapExtent> Map(long offset, long length)
    {
        var at = Start + offset;
        foreach (var run in file.Map(fileOffset + offset, length))
        {
            yield return run.IsHole ? new MapExtent(at, run.Length, BlockState.Unallocated) : new MapExtent(at, run.Length, BlockState.Data, 0, run.Offset);
            at += run.Length;
        }

        // A file that became shorter: said to be data, so that reading it names the error.
        var end = Start + offset + length;
        if (at < end) yield return new MapExtent(at, end - at, BlockState.Data, 0, fileOffset + (at - Start));
    }

    private bool IsZero(long offset, long length)
    {
        var buffer = new byte[ZerosAtOnce];
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
