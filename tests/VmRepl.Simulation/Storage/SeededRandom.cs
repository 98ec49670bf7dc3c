namespace VmRepl.Simulation.Storage;

/// <summary>SplitMix64: the same numbers from the same seed on every machine and every version of .NET.</summary>
public sealed class SeededRandom(ulong seed)
{
    private ulong state = seed;

    public ulong Next64()
    {
        var z = state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>From <paramref name="least"/> to <paramref name="most"/>, both included.</summary>
    public long Between(long least, long most) => least + (long)(Next64() % (ulong)(most - least + 1));

    public bool Chance(double probability) => (Next64() >> 11) * (1.0 / (1UL << 53)) < probability;

    public T Pick<T>(IReadOnlyList<T> from) => from[(int)Between(0, from.Count - 1)];

    public void Fill(Span<byte> target)
    {
        for (var i = 0; i < target.Length; i += sizeof(ulong))
        {
            var word = Next64();
            for (var k = 0; k < sizeof(ulong) && i + k < target.Length; k++) target[i + k] = (byte)(word >> (8 * k));
        }
    }
}
