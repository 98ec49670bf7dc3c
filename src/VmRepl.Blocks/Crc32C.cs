using System.Numerics;
using System.Runtime.InteropServices;

namespace VmRepl.Blocks;

/// <summary>CRC-32C (Castagnoli, RFC 3720 appendix B.4): reflected polynomial 0x82F63B78, initial value and final inversion all ones.</summary>
public static class Crc32C
{
    /// <summary>The checksum of <paramref name="data"/>; of nothing it is 0.</summary>
    public static uint Compute(ReadOnlySpan<byte> data) => Append(0, data);

    /// <summary>Goes on from the checksum <paramref name="crc"/> of what came before.</summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> data)
    {
        var state = ~crc;
        var words = MemoryMarshal.Cast<byte, ulong>(data);
        foreach (var word in words) state = BitOperations.Crc32C(state, BitConverter.IsLittleEndian ? word : System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(word));
        foreach (var single in data[(words.Length * sizeof(ulong))..]) state = BitOperations.Crc32C(state, single);
        return ~state;
    }
}
