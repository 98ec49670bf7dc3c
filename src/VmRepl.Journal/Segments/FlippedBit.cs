using System.Numerics;
using VmRepl.Blocks;

namespace VmRepl.Journal.Segments;

/// <summary>
/// Mends bytes in which one bit is not what it was, by their CRC-32C. Two texts of up to 655 bytes, checksum included, that both verify differ in at least six bits, and in four beyond that: so damage of up to four bits
/// (two beyond) is mended rightly or not at all. Of larger damage one case in 2^32 / bits looks like one flipped bit: of a header of 100 bytes one in five million.
/// </summary>
internal static class FlippedBit
{
    // Castagnoli's polynomial, reflected: what flipping the last bit of a text changes in its checksum.
    private const uint Polynomial = 0x82F63B78;

    /// <summary>Turns back the one bit of the bytes, or of their checksum, that was flipped.</summary>
    /// <param name="checksum">CRC-32C that the bytes had; on return the one that they have.</param>
    /// <returns>The byte that was mended, the number of bytes where it was the checksum; -1 where there is none such: nothing is changed then.</returns>
    public static int Mend(Span<byte> bytes, ref uint checksum)
    {
        var wanted = Crc32C.Compute(bytes) ^ checksum;
        if (wanted == 0) return -1;
        if (BitOperations.IsPow2(wanted))
        {
            checksum ^= wanted;
            return bytes.Length;
        }

        // What a bit changes in the checksum, from the last one back: each is the one behind it, taken through the register once more.
        var change = Polynomial;
        for (var at = bytes.Length - 1; at >= 0; at--)
        {
            for (var bit = 7; bit >= 0; bit--)
            {
                if (change == wanted)
                {
                    bytes[at] ^= (byte)(1 << bit);
                    return at;
                }

                change = (change >> 1) ^ ((change & 1) * Polynomial);
            }
        }

        return -1;
    }
}
