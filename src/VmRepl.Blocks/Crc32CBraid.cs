using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace VmRepl.Blocks;

/// <summary>
/// CRC-32C of 4096 bytes, for processors that multiply without carries 32 bytes at a time: that is no faster than their instruction for the checksum, but done by another part of the processor. So the first half is folded
/// (<see cref="Crc32CFold"/>) while the second goes through the instruction in four lanes.
/// </summary>
internal static class Crc32CBraid
{
    public const int BlockBytes = 4096;

    private const int Lanes = 4, LaneBytes = 512, FoldedBytes = BlockBytes - (Lanes * LaneBytes);

    // Of each half in one step.
    private const int VectorBytes = 32, StepBytes = 4 * VectorBytes, StepWords = StepBytes / Lanes / sizeof(ulong);

    private static readonly Vector256<ulong> OverStep = Over(StepBytes), OverVector = Over(VectorBytes);

    // What carries the folded half and the first three lanes to the end.
    private static readonly Vector128<ulong> OverFirst = Across(Lanes * LaneBytes, (Lanes - 1) * LaneBytes), OverSecond = Across((Lanes - 2) * LaneBytes, (Lanes - 3) * LaneBytes);

    public static bool IsSupported => Pclmulqdq.V256.IsSupported && Sse42.X64.IsSupported && BitConverter.IsLittleEndian;

    /// <summary>Goes on from a state over one block.</summary>
    public static uint Append(uint state, ReadOnlySpan<byte> block)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(block.Length, BlockBytes);
        ref var folded = ref MemoryMarshal.GetReference(block);
        ref var laned = ref Unsafe.Add(ref folded, FoldedBytes);
        var (first, second, third, fourth) = (Load(ref folded, 0) ^ Vector256.CreateScalar((ulong)state), Load(ref folded, 1), Load(ref folded, 2), Load(ref folded, 3));
        var (over, one, two, three, four) = (OverStep, 0ul, 0ul, 0ul, 0ul);
        for (var left = FoldedBytes - StepBytes; ; left -= StepBytes)
        {
            for (var word = 0; word < StepWords; word++)
            {
                one = Sse42.X64.Crc32(one, Word(ref laned, 0));
                two = Sse42.X64.Crc32(two, Word(ref laned, LaneBytes));
                three = Sse42.X64.Crc32(three, Word(ref laned, 2 * LaneBytes));
                four = Sse42.X64.Crc32(four, Word(ref laned, 3 * LaneBytes));
                laned = ref Unsafe.Add(ref laned, sizeof(ulong));
            }

            if (left == 0) break;
            folded = ref Unsafe.Add(ref folded, StepBytes);
            first = Carry(first, over) ^ Load(ref folded, 0);
            second = Carry(second, over) ^ Load(ref folded, 1);
            third = Carry(third, over) ^ Load(ref folded, 2);
            fourth = Carry(fourth, over) ^ Load(ref folded, 3);
        }

        var all = Carry(Carry(Carry(first, OverVector) ^ second, OverVector) ^ third, OverVector) ^ fourth;
        ulong half = 0;
        for (var i = 0; i < Vector256<ulong>.Count; i++) half = Sse42.X64.Crc32(half, all[i]);
        var before = Vector128.Create(half, one);
        var behind = Vector128.Create(two, three);
        var sum = Pclmulqdq.CarrylessMultiply(before, OverFirst, 0x00) ^ Pclmulqdq.CarrylessMultiply(before, OverFirst, 0x11)
            ^ Pclmulqdq.CarrylessMultiply(behind, OverSecond, 0x00) ^ Pclmulqdq.CarrylessMultiply(behind, OverSecond, 0x11);
        return (uint)(Sse42.X64.Crc32(0, sum[0]) ^ four);
    }

    private static Vector256<ulong> Load(ref byte from, int vector) => Vector256.LoadUnsafe(ref Unsafe.Add(ref from, vector * VectorBytes)).AsUInt64();

    private static ulong Word(ref byte from, int offset) => Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref from, offset));

    private static Vector256<ulong> Carry(Vector256<ulong> vector, Vector256<ulong> over) =>
        Pclmulqdq.V256.CarrylessMultiply(vector, over, 0x00) ^ Pclmulqdq.V256.CarrylessMultiply(vector, over, 0x11);

    private static Vector256<ulong> Over(int bytes)
    {
        var (lower, higher) = Crc32CFold.Factors(bytes);
        return Vector256.Create(lower, higher, lower, higher);
    }

    /// <summary>Factors for two states: of a product of 32 bits each the instruction makes the remainder 32 places further on, and the product is one place short.</summary>
    private static Vector128<ulong> Across(int firstBytes, int secondBytes) => Vector128.Create((ulong)Crc32CFold.PowerOfX((8 * firstBytes) - 33), Crc32CFold.PowerOfX((8 * secondBytes) - 33));
}
