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
    /// <summary>SequenceNumber (2.2.2): of two valid headers the one with the higher counts.</summary>
    public required ulong Sequence { get; init; }

    /// <summary>FileWriteGuid (2.2.2): changes when the file is opened to be written, before the first write.</summary>
    public required Guid FileWriteGuid { get; init; }

    /// <summary>DataWriteGuid (2.2.2): changes before the first change that a guest could see; what a child names its parent by (2.6.2.6.3).</summary>
    public required Guid DataWriteGuid { get; init; }

    /// <summary>LogGuid (2.2.2): of the entries that are to be replayed; zero: the log is empty, and nothing in it counts.</summary>
    public Guid LogGuid { get; init; }

    /// <summary>LogVersion (2.2.2): 0, or the log must not be replayed.</summary>
    public ushort LogVersion { get; init; }

    /// <summary>Version (2.2.2): 1, or the file must not be read.</summary>
    public ushort Version { get; init; } = 1;

    /// <summary>LogLength (2.2.2): bytes, a multiple of 1 MiB.</summary>
    public required uint LogLength { get; init; }

    /// <summary>LogOffset (2.2.2): bytes, a multiple of 1 MiB from 1 MiB on.</summary>
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

    /// <summary>The 4096 bytes of the header, with their checksum (2.2.2).</summary>
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
