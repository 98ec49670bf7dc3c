using VmRepl.Simulation.Storage;

namespace VmRepl.Fuzz.Mutations;

/// <summary>Numbers that readers get wrong: ends of ranges, one off, powers of two, and what the file itself has elsewhere.</summary>
internal static class BoundaryValues
{
    private static readonly long[] Units = [1, 8, 512, 4096, 65536, 1 << 20];

    /// <summary>A value for a field of <paramref name="size"/> bytes.</summary>
    /// <param name="random">Decides.</param>
    /// <param name="old">What stands there.</param>
    /// <param name="size">Bytes of the field.</param>
    /// <param name="fileLength">Bytes of the file, which offsets and counts are compared with.</param>
    /// <param name="elsewhere">A number from another field.</param>
    public static ulong Pick(SeededRandom random, ulong old, int size, long fileLength, ulong elsewhere)
    {
        var bits = size * 8;
        var max = bits == 64 ? ulong.MaxValue : (1UL << bits) - 1;
        var value = random.Between(0, 17) switch
        {
            0 => 0UL,
            1 => 1UL,
            2 => max,
            3 => max - (ulong)random.Between(0, 8),
            4 => max >> 1,
            5 => (max >> 1) + 1,
            6 => old + 1,
            7 => old - 1,
            8 => old ^ 1UL << (int)random.Between(0, bits - 1),
            9 => 1UL << (int)random.Between(0, bits - 1),
            10 => (1UL << (int)random.Between(0, bits - 1)) - 1,
            11 => elsewhere,
            12 => (ulong)(fileLength / random.Pick(Units)) + (ulong)random.Between(-1, 1),
            13 => old + (ulong)(random.Pick(Units) * random.Between(-3, 3)),
            14 => old << (int)random.Between(1, 20),
            15 => (ulong)random.Between(0, 16),
            16 => (ulong)(random.Between(0, Math.Max(0, fileLength / 512)) * 512),
            _ => random.Next64() >> (int)random.Between(0, 63),
        };
        return value & max;
    }
}
