using System.Buffers.Binary;

namespace VmRepl.Images.Vhd;

/// <summary>The checksum of footer and header: one's complement of the sum of all bytes, its own field taken as zero (appendix, "Checksum Calculation").</summary>
internal static class VhdChecksum
{
    private const int FieldBytes = 4;

    /// <param name="structure">All of it.</param>
    /// <param name="field">Where in it the checksum stands.</param>
    public static uint Compute(ReadOnlySpan<byte> structure, int field)
    {
        uint sum = 0;
        foreach (var value in structure[..field]) sum += value;
        foreach (var value in structure[(field + FieldBytes)..]) sum += value;
        return ~sum;
    }

    public static void Put(Span<byte> structure, int field) => BinaryPrimitives.WriteUInt32BigEndian(structure[field..], Compute(structure, field));
}
