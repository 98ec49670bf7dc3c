using System.Buffers.Binary;
using VmRepl.Blocks;

namespace VmRepl.Images.Vhdx;

/// <summary>
/// One valid entry of the log ([MS-VHDX] 2.3.1).
/// <code>
/// Offset Size Field
/// 0      4    "loge"
/// 4      4    CRC-32C of the whole entry
/// 8      4    entry length, a multiple of 4096
/// 12     4    tail: where in the log the oldest entry still needed begins
/// 16     8    sequence, above 0
/// 24     4    descriptors
/// 28     4    reserved
/// 32     16   log GUID
/// 48     8    flushed file offset: the file had at least this length, durably
/// 56     8    last file offset: the file shall have at least this length
/// 64          descriptors of 32 bytes, padded to 4096; then one sector of 4096 for each data descriptor
/// </code>
/// A descriptor: "desc", trailing 4 bytes, leading 8 bytes, file offset 8, sequence 8; or "zero", reserved 4, length 8, file offset 8, sequence 8.
/// A data sector: "data", sequence high 4, bytes 8 to 4091 of the sector, sequence low 4.
/// </summary>
internal sealed class VhdxLogEntry
{
    /// <summary>An entry's header (2.3.1.1).</summary>
    public const int HeaderBytes = 64;

    /// <summary>A descriptor of either kind (2.3.1.2, 2.3.1.3).</summary>
    public const int DescriptorBytes = 32;

    private readonly byte[] log;
    /// <param name="log">The ring that it stands in, wrapped perhaps.</param>
    /// <param name="offset">Where in it the entry begins.</param>
    /// <param name="bytes">The entry, unwrapped; not kept.</param>
    /// <param name="descriptors">How many it has.</param>
    private VhdxLogEntry(byte[] log, int offset, ReadOnlySpan<byte> bytes, int descriptors)
    {
        this.log = log;
        Descriptors = descriptors;
        Offset = offset;
        Length = bytes.Length;
        Tail = BinaryPrimitives.ReadUInt32LittleEndian(bytes[12..]);
        Sequence = BinaryPrimitives.ReadUInt64LittleEndian(bytes[16..]);
        FlushedFileOffset = BinaryPrimitives.ReadUInt64LittleEndian(bytes[48..]);
        LastFileOffset = BinaryPrimitives.ReadUInt64LittleEndian(bytes[56..]);
    }

    /// <summary>Of an entry (2.3.1.1).</summary>
    public static ReadOnlySpan<byte> Signature => "loge"u8;

    /// <summary>Of a data descriptor (2.3.1.3).</summary>
    public static ReadOnlySpan<byte> DataDescriptor => "desc"u8;

    /// <summary>Of a zero descriptor (2.3.1.2).</summary>
    public static ReadOnlySpan<byte> ZeroDescriptor => "zero"u8;

    /// <summary>Of a data sector (2.3.1.4).</summary>
    public static ReadOnlySpan<byte> DataSector => "data"u8;

    /// <summary>Where in the log it begins.</summary>
    public int Offset { get; }

    /// <summary>EntryLength (2.3.1.1): bytes, a multiple of 4096.</summary>
    public int Length { get; }

    /// <summary>DescriptorCount (2.3.1.1).</summary>
    public int Descriptors { get; }

    /// <summary>Tail (2.3.1.1): where in the log the oldest entry of its sequence begins.</summary>
    public uint Tail { get; }

    /// <summary>SequenceNumber (2.3.1.1): above 0, one more than that of the entry before it (2.3.2).</summary>
    public ulong Sequence { get; }

    /// <summary>FlushedFileOffset (2.3.1.1): the file had at least this length when the entry was written; a shorter one was cut.</summary>
    public ulong FlushedFileOffset { get; }

    /// <summary>LastFileOffset (2.3.1.1): the length that the file gets by the replay, where it is shorter.</summary>
    public ulong LastFileOffset { get; }

    /// <summary>Sectors that <paramref name="descriptors"/> need, with the entry's header.</summary>
    public static int DescriptorSectors(int descriptors) => (HeaderBytes + (descriptors * DescriptorBytes) + VhdxLayout.LogSectorBytes - 1) / VhdxLayout.LogSectorBytes;

    /// <summary>The length that the entry beginning at <paramref name="head"/> claims, or 0 where none of this log begins.</summary>
    public static int ClaimedLength(ReadOnlySpan<byte> head, Guid logGuid, int logLength)
    {
        var length = BinaryPrimitives.ReadUInt32LittleEndian(head[8..]);
        return head.StartsWith(Signature) && new Guid(head.Slice(32, 16)) == logGuid && length > 0 && length % VhdxLayout.LogSectorBytes == 0 && length <= logLength
            ? (int)length
            : 0;
    }

    /// <summary>
    /// The entry at <paramref name="offset"/> of the <paramref name="log"/>, as long as <paramref name="bytes"/>, if every rule of [MS-VHDX] 2.3.1 holds; else null (a torn or stale one).
    /// <paramref name="bytes"/> are overwritten with it, unwrapped, and not kept.
    /// </summary>
    public static VhdxLogEntry? TryParse(byte[] log, int offset, Span<byte> bytes)
    {
        Unwrap(log, offset, bytes);
        if (!VhdxChecksum.IsValid(bytes)) return null;
        var sequence = BinaryPrimitives.ReadUInt64LittleEndian(bytes[16..]);
        var count = BinaryPrimitives.ReadUInt32LittleEndian(bytes[24..]);
        if (sequence == 0 || count > (bytes.Length - HeaderBytes) / DescriptorBytes) return null;
        var sector = DescriptorSectors((int)count);
        for (var i = 0; i < (int)count; i++)
        {
            var descriptor = bytes.Slice(HeaderBytes + (i * DescriptorBytes), DescriptorBytes);
            if (BinaryPrimitives.ReadUInt64LittleEndian(descriptor[24..]) != sequence) return null;
            if (descriptor.StartsWith(ZeroDescriptor)) continue;
            if (!descriptor.StartsWith(DataDescriptor) || sector >= bytes.Length / VhdxLayout.LogSectorBytes) return null;
            var data = bytes.Slice(sector++ * VhdxLayout.LogSectorBytes, VhdxLayout.LogSectorBytes);
            if (!data.StartsWith(DataSector)) return null;
            var high = BinaryPrimitives.ReadUInt32LittleEndian(data[4..]);
            var low = BinaryPrimitives.ReadUInt32LittleEndian(data[4092..]);
            if (((ulong)high << 32 | low) != sequence) return null;
        }

        return new VhdxLogEntry(log, offset, bytes, (int)count);
    }

    /// <summary>What the entry changes, in its order.</summary>
    public IEnumerable<VhdxLogChange> Changes()
    {
        var bytes = new byte[Length];
        Unwrap(log, Offset, bytes);
        var sector = DescriptorSectors(Descriptors);
        for (var i = 0; i < Descriptors; i++)
        {
            var at = HeaderBytes + (i * DescriptorBytes);
            var fileOffset = BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(at + 16));
            if (bytes.AsSpan(at).StartsWith(ZeroDescriptor))
            {
                yield return new VhdxLogChange(fileOffset, BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(at + 8)), null);
                continue;
            }

            var data = bytes.AsSpan(sector++ * VhdxLayout.LogSectorBytes, VhdxLayout.LogSectorBytes).ToArray();
            bytes.AsSpan(at + 8, 8).CopyTo(data);
            bytes.AsSpan(at + 4, 4).CopyTo(data.AsSpan(4092));
            yield return new VhdxLogChange(fileOffset, VhdxLayout.LogSectorBytes, data);
        }
    }

    private static void Unwrap(byte[] log, int offset, Span<byte> bytes)
    {
        var first = Math.Min(bytes.Length, log.Length - offset);
        log.AsSpan(offset, first).CopyTo(bytes);
        log.AsSpan(0, bytes.Length - first).CopyTo(bytes[first..]);
    }
}
