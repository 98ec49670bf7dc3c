using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vhd;

/// <summary>A VHD file as its structures and blocks are read from it. A read that the file cannot fill is a typed error, never zeros.</summary>
internal sealed class VhdFile(IHostFile file)
{
    public IHostFile File => file;

    /// <summary>Fills <paramref name="buffer"/>; <paramref name="field"/> says in the error what was being read.</summary>
    /// <exception cref="ImageFormatException">The range passes the end of the file.</exception>
    public void Read(long offset, Span<byte> buffer, string field)
    {
        var read = offset < 0 ? 0 : file.Read(offset, buffer);
        if (read < buffer.Length) throw Mismatch(offset, field, $"{buffer.Length} bytes inside the file", $"behind its end: the file ends at {file.Length}");
    }

    /// <summary>A field whose value is not one of those that it may have (<see cref="ImageFormatException.Mismatch"/>).</summary>
    public ImageFormatException Mismatch(long offset, string field, string expected, string found) => ImageFormatException.Mismatch(file.Path, offset, field, expected, found);
}
