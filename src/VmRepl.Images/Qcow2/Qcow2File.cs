using System.Buffers.Binary;
using System.Runtime.InteropServices;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Qcow2;

/// <summary>Reading of structures from a QCOW2 file: a range that leaves the file is a typed error that names the structure, never zeros.</summary>
internal static class Qcow2File
{
    private const int NumbersAtOnce = 8192;

    /// <summary>Refuses a range that leaves the file, before anything is allocated for it.</summary>
    public static void RequireInside(this IHostFile file, long offset, long length, string field)
    {
        var fileLength = file.Length;
        if (offset < 0 || length < 0 || offset > fileLength || length > fileLength - offset)
            throw ImageFormatException.Mismatch(file.Path, offset, field, $"followed by {length} bytes", $"cut: the file ends at {fileLength}");
    }

    /// <summary>Fills the buffer.</summary>
    /// <exception cref="ImageFormatException">The file ends before it is full.</exception>
    public static void ReadField(this IHostFile file, long offset, Span<byte> buffer, string field)
    {
        var read = file.Read(offset, buffer);
        if (read != buffer.Length)
            throw ImageFormatException.Mismatch(file.Path, offset, field, $"followed by {buffer.Length} bytes", $"cut: the file ends at {offset + read}");
    }

    /// <summary>Reads <paramref name="count"/> 64-bit numbers into the machine's own byte order.</summary>
    public static ulong[] ReadNumbers(this IHostFile file, long offset, int count, string field)
    {
        file.RequireInside(offset, (long)count * sizeof(ulong), field);
        var numbers = new ulong[count];
        file.ReadField(offset, MemoryMarshal.AsBytes(numbers.AsSpan()), field);
        if (BitConverter.IsLittleEndian) BinaryPrimitives.ReverseEndianness(numbers, numbers);
        return numbers;
    }

    /// <summary>The 64-bit numbers of a table that are not zero, read a piece at a time; what is a hole in the file is not read at all.</summary>
    public static IEnumerable<ulong> ReadNonZero(this IHostFile file, long offset, int count, string field)
    {
        foreach (var run in file.Map(offset, (long)count * sizeof(ulong)))
        {
            if (run.IsHole) continue;
            var end = Math.Min((run.End - offset + sizeof(ulong) - 1) / sizeof(ulong), count);
            for (var first = (run.Offset - offset) / sizeof(ulong); first < end; first += NumbersAtOnce)
            {
                foreach (var number in file.ReadNumbers(offset + (first * sizeof(ulong)), (int)Math.Min(NumbersAtOnce, end - first), field))
                {
                    if (number != 0) yield return number;
                }
            }
        }
    }

    /// <summary>Writes 64-bit numbers, given in the machine's own byte order.</summary>
    public static void WriteNumbers(this IHostFile file, long offset, ReadOnlySpan<ulong> numbers)
    {
        using var buffer = PooledBuffer.Rent(numbers.Length * sizeof(ulong));
        var words = MemoryMarshal.Cast<byte, ulong>(buffer.Span);
        if (BitConverter.IsLittleEndian) BinaryPrimitives.ReverseEndianness(numbers, words);
        else numbers.CopyTo(words);
        file.Write(offset, buffer.Span);
    }
}
