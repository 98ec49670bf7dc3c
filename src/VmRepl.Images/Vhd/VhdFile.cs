using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vhd;

/// <summary>A VHD file as its structures and blocks are read from it. A read that the file cannot fill is a typed error, never zeros.</summary>
internal sealed class VhdFile(IHostFile file)
{
    private const int ZerosAtOnce = 1 << 20;

    public IHostFile File => file;

    /// <summary>Fills <paramref name="buffer"/>; <paramref name="field"/> says in the error what was being read.</summary>
    /// <exception cref="ImageFormatException">The range passes the end of the file.</exception>
    public void Read(long offset, Span<byte> buffer, string field)
    {
        var read = offset < 0 ? 0 : file.Read(offset, buffer);
        if (read < buffer.Length) throw Bad(offset, field, $"needs {buffer.Length} bytes, the file ends at {file.Length}");
    }

    /// <summary>
    /// A stored run cut at the holes that the host file has in it: they read as zeros and need not be read. A run that passes the file's end is data, and reading it says so.
    /// </summary>
    public IEnumerable<MapExtent> MapStored(MapExtent stored)
    {
        var at = stored.Offset;
        foreach (var run in file.Map(stored.FileOffset, stored.Length))
        {
            yield return run.IsHole ? new MapExtent(at, run.Length, BlockState.Zero) : new MapExtent(at, run.Length, BlockState.Data, 0, run.Offset);
            at += run.Length;
        }

        if (at < stored.End) yield return new MapExtent(at, stored.End - at, BlockState.Data, 0, stored.FileOffset + (at - stored.Offset));
    }

    /// <summary>Makes a range inside the file zeros, as a hole where the volume can.</summary>
    public void Clear(long offset, long length)
    {
        if (file.TryPunch(offset, length)) return;
        var zeros = new byte[(int)Math.Min(length, ZerosAtOnce)];
        for (long done = 0; done < length; done += zeros.Length) file.Write(offset + done, zeros.AsSpan(0, (int)Math.Min(zeros.Length, length - done)));
    }

    public ImageFormatException Bad(long offset, string field, string problem) => new(file.Path, offset, field, problem);
}
