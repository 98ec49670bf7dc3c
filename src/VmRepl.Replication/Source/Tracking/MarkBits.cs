using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;

namespace VmRepl.Replication.Source.Tracking;

/// <summary>Bits in bytes, the lowest first.</summary>
internal static class MarkBits
{
    /// <summary>Sets a range.</summary>
    /// <returns>How many were not set.</returns>
    public static int Set(Span<byte> bits, int first, int count) => Change(bits, first, count, set: true);

    /// <summary>Clears a range.</summary>
    /// <returns>How many were set.</returns>
    public static int Clear(Span<byte> bits, int first, int count) => Change(bits, first, count, set: false);

    public static bool IsSet(ReadOnlySpan<byte> bits, int index) => (bits[index >> 3] >> (index & 7) & 1) != 0;

    public static int Count(ReadOnlySpan<byte> bits)
    {
        var total = 0;
        var words = MemoryMarshal.Cast<byte, ulong>(bits);
        foreach (var word in words) total += BitOperations.PopCount(word);
        foreach (var rest in bits[(words.Length * sizeof(ulong))..]) total += BitOperations.PopCount(rest);
        return total;
    }

    /// <summary>The first index from <paramref name="from"/> on whose bit is <paramref name="set"/>; the number of bits where there is none. The length is a multiple of 8 bytes.</summary>
    public static int Next(ReadOnlySpan<byte> bits, int from, bool set)
    {
        var total = bits.Length * 8;
        while (from < total)
        {
            var word = BinaryPrimitives.ReadUInt64LittleEndian(bits[(from >> 6 << 3)..]);
            if (!set) word = ~word;
            word >>= from & 63;
            if (word != 0) return from + BitOperations.TrailingZeroCount(word);
            from = (from | 63) + 1;
        }

        return total;
    }

    private static int Change(Span<byte> bits, int first, int count, bool set)
    {
        var changed = 0;
        for (var end = first + count; first < end;)
        {
            var part = Math.Min(8 - (first & 7), end - first);
            var mask = (byte)(((1 << part) - 1) << (first & 7));
            ref var target = ref bits[first >> 3];
            changed += BitOperations.PopCount((uint)(byte)((set ? ~target : target) & mask));
            target = (byte)(set ? target | mask : target & ~mask);
            first += part;
        }

        return changed;
    }
}
