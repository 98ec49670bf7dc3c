using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace VmRepl.Blocks;

/// <summary>CRC-32C (Castagnoli, RFC 3720 appendix B.4): reflected polynomial 0x82F63B78, initial value and final inversion all ones.</summary>
public static class Crc32C
{
    // The processor's instruction has a latency of three and may begin anew in every cycle, so three lanes, side by side, take hardly more time than one.
    // Three of this length fit the 4096 bytes that a record's payload is checksummed by.
    private const int LaneBytes = 1360;

    private const int TableSize = 256;

    private static readonly uint[] LaneTable = MakeLaneTable();

    /// <summary>The checksum of <paramref name="data"/>; of nothing it is 0.</summary>
    public static uint Compute(ReadOnlySpan<byte> data) => Append(0, data);

    /// <summary>Goes on from the checksum <paramref name="crc"/> of what came before.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static uint Append(uint crc, ReadOnlySpan<byte> data)
    {
        var state = ~crc;
        if (Crc32CFold.IsSupported && data.Length >= Crc32CFold.BytesMin) state = Crc32CFold.Fold(state, ref data);
        else if (Crc32CBraid.IsSupported) for (; data.Length >= Crc32CBraid.BlockBytes; data = data[Crc32CBraid.BlockBytes..]) state = Crc32CBraid.Append(state, data[..Crc32CBraid.BlockBytes]);
        for (; data.Length >= 3 * LaneBytes; data = data[(3 * LaneBytes)..])
        {
            var first = MemoryMarshal.Cast<byte, ulong>(data[..LaneBytes]);
            var second = MemoryMarshal.Cast<byte, ulong>(data.Slice(LaneBytes, LaneBytes));
            var third = MemoryMarshal.Cast<byte, ulong>(data.Slice(2 * LaneBytes, LaneBytes));
            uint secondState = 0, thirdState = 0;
            for (var i = 0; i < first.Length && i < second.Length && i < third.Length; i++)
            {
                state = Step(state, first[i]);
                secondState = Step(secondState, second[i]);
                thirdState = Step(thirdState, third[i]);
            }

            // The checksum is linear: the state before a lane, carried across its length as if it were zeros, and the lane's own state begun at 0 add up.
            state = AcrossLane(AcrossLane(state) ^ secondState) ^ thirdState;
        }

        var words = MemoryMarshal.Cast<byte, ulong>(data);
        foreach (var word in words) state = Step(state, word);
        foreach (var single in data[(words.Length * sizeof(ulong))..]) state = BitOperations.Crc32C(state, single);
        return ~state;
    }

    // Drawn into a caller, the loop was found calling this for each word: the compiler's limit for one method was spent.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Step(uint state, ulong word) => BitOperations.Crc32C(state, BitConverter.IsLittleEndian ? word : BinaryPrimitives.ReverseEndianness(word));

    private static uint AcrossLane(uint state) =>
        LaneTable[(byte)state] ^ LaneTable[TableSize + (byte)(state >> 8)] ^ LaneTable[(2 * TableSize) + (byte)(state >> 16)] ^ LaneTable[(3 * TableSize) + (byte)(state >> 24)];

    /// <summary>For each value of each byte of a state, what <see cref="LaneBytes"/> zeros make of it.</summary>
    private static uint[] MakeLaneTable()
    {
        var table = new uint[4 * TableSize];
        for (var bit = 0; bit < 32; bit++)
        {
            var state = 1u << bit;
            for (var i = 0; i < LaneBytes / sizeof(ulong); i++) state = BitOperations.Crc32C(state, 0ul);
            for (var value = 0; value < TableSize; value++)
            {
                if ((value & (1 << (bit % 8))) != 0) table[((bit / 8) * TableSize) + value] ^= state;
            }
        }

        return table;
    }
}
