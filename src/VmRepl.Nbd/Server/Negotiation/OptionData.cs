using System.Buffers.Binary;
using System.Text;
using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Server;

/// <summary>Reads the data of one option, of which nothing may be missing and nothing left over.</summary>
internal ref struct OptionData(ReadOnlySpan<byte> data)
{
    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    private ReadOnlySpan<byte> left = data;

    /// <exception cref="InvalidOptionException">It is cut short, too long, or no UTF-8.</exception>
    public string Text()
    {
        var length = Number();
        if (length > NbdLimits.TextBytesMax) throw new InvalidOptionException($"a text of {length} bytes is longer than {NbdLimits.TextBytesMax}", NbdOptionReply.TooBig);
        var text = Take((int)length);
        try
        {
            var read = Strict.GetString(text);
            return read.Contains('\0', StringComparison.Ordinal) ? throw new InvalidOptionException("a text holds a zero byte") : read;
        }
        catch (DecoderFallbackException)
        {
            throw new InvalidOptionException("a text is no UTF-8");
        }
    }

    public uint Number() => BinaryPrimitives.ReadUInt32BigEndian(Take(4));

    public ushort Short() => BinaryPrimitives.ReadUInt16BigEndian(Take(2));

    /// <summary>How many bytes are left.</summary>
    public readonly int Left => left.Length;

    public readonly void End()
    {
        if (left.Length > 0) throw new InvalidOptionException($"{left.Length} bytes are left over");
    }

    private ReadOnlySpan<byte> Take(int count)
    {
        if (left.Length < count) throw new InvalidOptionException($"{count} bytes were to come, {left.Length} did");
        var taken = left[..count];
        left = left[count..];
        return taken;
    }
}
