namespace VmRepl.Fuzz.Corpus;

/// <summary>Numbers of 1 to 8 bytes in either order.</summary>
public static class Numbers
{
    public static ulong Read(ReadOnlySpan<byte> bytes, bool isBigEndian)
    {
        ulong value = 0;
        for (var i = 0; i < bytes.Length; i++) value = (value << 8) | bytes[isBigEndian ? i : bytes.Length - 1 - i];
        return value;
    }

    public static void Write(Span<byte> bytes, ulong value, bool isBigEndian)
    {
        for (var i = 0; i < bytes.Length; i++)
        {
            bytes[isBigEndian ? bytes.Length - 1 - i : i] = (byte)value;
            value >>= 8;
        }
    }
}
