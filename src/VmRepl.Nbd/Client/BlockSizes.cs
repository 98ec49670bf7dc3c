using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Client;

/// <summary>What an export says of the sizes of requests, bytes.</summary>
/// <param name="Minimum">Every offset and length is a multiple of it; a power of two, 1 to 65536.</param>
/// <param name="Preferred">From here on a request costs no reading of its surroundings.</param>
/// <param name="PayloadMax">Most contents of one request or answer; a multiple of <paramref name="Minimum"/>, at most <see cref="NbdLimits.PayloadBytesMax"/>.</param>
internal readonly record struct BlockSizes(int Minimum, int Preferred, int PayloadMax)
{
    private const uint MinimumMax = 64 << 10;

    /// <summary>Of a server that says nothing (protocol, "Block size constraints").</summary>
    public static readonly BlockSizes Unsaid = new(1, 4096, NbdLimits.PayloadBytesMax);

    /// <returns>Null where the three cannot be.</returns>
    public static BlockSizes? Of(uint minimum, uint preferred, uint maximum)
    {
        if (!uint.IsPow2(minimum) || minimum > MinimumMax || preferred < minimum || preferred > int.MaxValue) return null;
        if (maximum < minimum || (maximum != uint.MaxValue && maximum % minimum != 0)) return null;
        return new BlockSizes((int)minimum, (int)preferred, (int)Math.Min(maximum, NbdLimits.PayloadBytesMax));
    }
}
