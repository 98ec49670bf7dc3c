using System.Buffers.Binary;
using VmRepl.Blocks;

namespace VmRepl.Images.Vhdx;

/// <summary>The checksum that headers, region tables and log entries share ([MS-VHDX] 2.2.2, 2.2.3, 2.3.1.1): CRC-32C of the whole structure with its own field, at offset 4, taken as zero.</summary>
internal static class VhdxChecksum
{
    private const int FieldOffset = 4;

    public static bool IsValid(ReadOnlySpan<byte> structure) => BinaryPrimitives.ReadUInt32LittleEndian(structure[FieldOffset..]) == Compute(structure);

    public static void Put(Span<byte> structure) => BinaryPrimitives.WriteUInt32LittleEndian(structure[FieldOffset..], Compute(structure));

    private static uint Compute(ReadOnlySpan<byte> structure)
    {
        var crc = Crc32C.Append(Crc32C.Append(0, structure[..FieldOffset]), [0, 0, 0, 0]);
        return Crc32C.Append(crc, structure[(FieldOffset + 4)..]);
    }
}
