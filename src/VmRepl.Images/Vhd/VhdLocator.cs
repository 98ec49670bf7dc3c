using System.Buffers.Binary;

namespace VmRepl.Images.Vhd;

/// <summary>One entry of the header's locator table ("Parent Locator Entries"): 0 4 Platform Code, 4 4 Platform Data Space, 8 4 Platform Data Length, 12 4 reserved, 16 8 Platform Data Offset.</summary>
/// <param name="Platform">Which kind of name it is.</param>
/// <param name="Length">Bytes of the name.</param>
/// <param name="Offset">Where in the file it lies.</param>
internal readonly record struct VhdLocator(uint Platform, uint Length, ulong Offset)
{
    /// <summary>An entry ("Parent Locator Entries").</summary>
    public const int Bytes = 24;

    public static VhdLocator Parse(ReadOnlySpan<byte> entry) => new(
        BinaryPrimitives.ReadUInt32BigEndian(entry),
        BinaryPrimitives.ReadUInt32BigEndian(entry[8..]),
        BinaryPrimitives.ReadUInt64BigEndian(entry[16..]));

    /// <summary>Platform Data Space is written in bytes of whole sectors, as Microsoft's programs do, and not in sectors, as the specification has it; nobody reads it.</summary>
    public void Put(Span<byte> entry)
    {
        BinaryPrimitives.WriteUInt32BigEndian(entry, Platform);
        BinaryPrimitives.WriteUInt32BigEndian(entry[4..], (Length + VhdLayout.SectorBytes - 1) / VhdLayout.SectorBytes * VhdLayout.SectorBytes);
        BinaryPrimitives.WriteUInt32BigEndian(entry[8..], Length);
        BinaryPrimitives.WriteUInt64BigEndian(entry[16..], Offset);
    }
}
