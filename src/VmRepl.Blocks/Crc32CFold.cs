using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace VmRepl.Blocks;

/// <summary>
/// CRC-32C by carry-less multiplication (Gopal and others, "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction", Intel 2009), for processors that multiply 64 bytes at a time:
/// what is summed up so far is carried over the bytes that follow and added to them, until 64 bytes are left that have the same remainder as all.
/// </summary>
internal static class Crc32CFold
{
    /// <summary>The least that it is of use for.</summary>
    public const int BytesMin = 2 * StepBytes;

    // Four lanes, so that a multiplication need not wait for the one before it.
    private const int LaneBytes = 64, StepBytes = 4 * LaneBytes;

    private const uint Polynomial = 0x82F63B78;

    private static readonly Vector512<ulong> OverStep = Over(StepBytes), OverLane = Over(LaneBytes);

    public static bool IsSupported => Pclmulqdq.V512.IsSupported && BitConverter.IsLittleEndian;

    /// <summary>Goes on from a state over as many whole steps as there are.</summary>
    /// <param name="data">At least <see cref="BytesMin"/>. Out: what is left.</param>
    public static uint Fold(uint state, ref ReadOnlySpan<byte> data)
    {
        var lanes = MemoryMarshal.Cast<byte, Vector512<ulong>>(data[..(data.Length / StepBytes * StepBytes)]);
        data = data[(lanes.Length * LaneBytes)..];
        var (first, second, third, fourth) = (lanes[0] ^ Vector512.CreateScalar((ulong)state), lanes[1], lanes[2], lanes[3]);
        for (lanes = lanes[4..]; lanes.Length >= 4; lanes = lanes[4..])
        {
            first = Carry(first, OverStep) ^ lanes[0];
            second = Carry(second, OverStep) ^ lanes[1];
            third = Carry(third, OverStep) ^ lanes[2];
            fourth = Carry(fourth, OverStep) ^ lanes[3];
        }

        var all = Carry(Carry(Carry(first, OverLane) ^ second, OverLane) ^ third, OverLane) ^ fourth;
        state = 0;
        for (var i = 0; i < Vector512<ulong>.Count; i++) state = BitOperations.Crc32C(state, all[i]);
        return state;
    }

    /// <summary>What has the same remainder that many bytes further on.</summary>
    private static Vector512<ulong> Carry(Vector512<ulong> lane, Vector512<ulong> over) =>
        Pclmulqdq.V512.CarrylessMultiply(lane, over, 0x00) ^ Pclmulqdq.V512.CarrylessMultiply(lane, over, 0x11);

    private static Vector512<ulong> Over(int bytes)
    {
        var (lower, higher) = Factors(bytes);
        return Vector512.Create(lower, higher, lower, higher, lower, higher, lower, higher);
    }

    /// <summary>The factors of the lower and the higher word of each 128 bits that carry it over so many bytes. The product of two reflected words is one place short, and a factor of 32 bits stands 32 places too high: together 33.</summary>
    internal static (ulong Lower, ulong Higher) Factors(int bytes) => (PowerOfX((8 * bytes) + 64 - 33), PowerOfX((8 * bytes) - 33));

    /// <summary>x to that power, modulo the polynomial, reflected.</summary>
    internal static uint PowerOfX(int exponent)
    {
        var power = 1u << 31;
        for (var i = 0; i < exponent; i++) power = (power >> 1) ^ ((power & 1) != 0 ? Polynomial : 0);
        return power;
    }
}
