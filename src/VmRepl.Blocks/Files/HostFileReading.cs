namespace VmRepl.Blocks.Files;

public static class HostFileReading
{
    /// <summary>Fills the buffer or throws.</summary>
    /// <exception cref="EndOfStreamException">The file ends before the buffer is full; the message names file, offset and size.</exception>
    public static void ReadExactly(this IHostFile file, long offset, Span<byte> buffer)
    {
        var read = file.Read(offset, buffer);
        if (read != buffer.Length)
            throw new EndOfStreamException($"{file.Path}: ends at {offset + read}, {buffer.Length} bytes were needed at offset {offset}");
    }
}
