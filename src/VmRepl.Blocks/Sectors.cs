namespace VmRepl.Blocks;

/// <summary>Rounding to power-of-two units. The sector of 512 bytes is the journal's unit of truth, whatever a disk's own sector size.</summary>
public static class Sectors
{
    public const int Size = 512;

    /// <summary>The largest multiple of <paramref name="unit"/> (a power of two) at or below <paramref name="value"/>.</summary>
    public static long AlignDown(long value, long unit) => value & -unit;

    /// <summary>The smallest multiple of <paramref name="unit"/> (a power of two) at or above <paramref name="value"/>.</summary>
    /// <exception cref="OverflowException">It does not fit 63 bits.</exception>
    public static long AlignUp(long value, long unit) => checked(value + unit - 1) & -unit;

    public static bool IsAligned(long value, long unit) => (value & (unit - 1)) == 0;

    /// <summary>Whether every byte is zero.</summary>
    public static bool IsZero(ReadOnlySpan<byte> data) => data.IndexOfAnyExcept((byte)0) < 0;
}
