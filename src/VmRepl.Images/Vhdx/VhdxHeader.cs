using System.Buffers.Binary;
using VmRepl.Blocks;

namespace VmRepl.Images.Vhdx;

/// <summary>
/// One of the two headers ([MS-VHDX] 2.2.2).
/// <code>
/// Offset Size Field
/// 0      4    "head"
/// 4      4    CRC-32C of the 4096 bytes, this field taken as zero
/// 8      8    sequence
/// 16     16   file write GUID: changes when the file is opened to be written
/// 32     16   data write GUID: changes before the first change that a guest could see
/// 48     16   log GUID; zero: the log is empty
/// 64     2    log version (0)
/// 66     2    version (1)
/// 68     4    log length
/// 72     8    log offset
/// 80     4016 reserved
/// 4096        total
/// </code>
/// </summary>
internal sealed record VhdxHeader
{
    public required ulong Sequence { get; init; }

    public required Guid FileWriteGuid { get; init; }

    public required Guid DataWriteGuid { get; init; }

    public Guid LogGuid { get; init; }

    public ushort LogVersion { get; init; }

    public ushort Version { get; init; } = 1;

    public required uint LogLength { get; init; }

    public required ulong LogOffset { get; init; }

    /// <summary>The header in <paramref name="bytes"/> (4096), or null where signature or checksum fails: the other copy may be good.</summary>
    public static VhdxHeader? TryParse(ReadOnlySpan<byte> bytes)
    {
        if (!bytes.StartsWith(VhdxLayout.HeaderSignature) || !VhdxChecksum.IsValid(bytes)) return null;
        return new VhdxHeader
        {
            Sequence = BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]),
            FileWriteGuid = new Guid(bytes.Slice(16, 16)),
            DataWriteGuid = new Guid(bytes.Slice(32, 16)),
            LogGuid = new Guid(bytes.Slice(48, 16)),
            LogVersion = BinaryPrimitives.ReadUInt16LittleEndian(bytes[64..]),
            Version = BinaryPrimitives.ReadUInt16LittleEndian(bytes[66..]),
            LogLength = BinaryPrimitives.ReadUInt32LittleEndian(bytes[68..]),
            LogOffset = BinaryPrimitives.ReadUInt64LittleEndian(bytes[72..]),
        };
    }

    public byte[] ToBytes()
    {
        var bytes = new byte[VhdxLayout.HeaderBytes];
        VhdxLayout.HeaderSignature.CopyTo(bytes);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(8), Sequence);
        FileWriteGuid.TryWriteBytes(bytes.AsSpan(16));
        DataWriteGuid.TryWriteBytes(bytes.AsSpan(32));
        LogGuid.TryWriteBytes(bytes.AsSpan(48));
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(64), LogVersion);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(66), Version);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(68), LogLength);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(72), LogOffset);
        VhdxChecksum.Put(bytes);
        return bytes;
    }
}
