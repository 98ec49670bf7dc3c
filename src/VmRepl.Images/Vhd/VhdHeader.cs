using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vhd;

/// <summary>
/// The dynamic disk header ("Dynamic Disk Header Format"). It has no copy: a damaged one is the end of the disk.
/// <code>
/// 0   8   Cookie, "cxsparse"         36  4    Checksum
/// 8   8   Data Offset, unused        40  16   Parent Unique ID
/// 16  8   Table Offset               56  4    Parent Time Stamp
/// 24  4   Header Version             64  512  Parent Unicode Name, UTF-16BE
/// 28  4   Max Table Entries          576 8*24 Parent Locator Entries
/// 32  4   Block Size                 768 256  reserved
/// </code>
/// </summary>
internal sealed record VhdHeader
{
    private const int ChecksumField = 36;
    private const int NameField = 64, NameBytes = 512;
    private const int LocatorField = 576;

    /// <summary>"Table Offset": bytes from the file's start.</summary>
    public required ulong TableOffset { get; init; }

    /// <summary>"Max Table Entries".</summary>
    public required uint TableEntries { get; init; }

    /// <summary>"Block Size": bytes of a block's data; a power of two.</summary>
    public required uint BlockSize { get; init; }

    /// <summary>"Parent Unique ID".</summary>
    public Guid ParentId { get; init; }

    /// <summary>"Parent Time Stamp": seconds since <see cref="VhdLayout.Epoch"/>.</summary>
    public uint ParentTimeStamp { get; init; }

    /// <summary>"Parent Unicode Name": the parent's file name, for people.</summary>
    public string ParentName { get; init; } = "";

    /// <summary>"Parent Locator Entries" in use.</summary>
    public IReadOnlyList<VhdLocator> Locators { get; init; } = [];

    /// <summary>Whether a header with cookie and checksum stands at <paramref name="offset"/>, behind the front copy of the footer and before <paramref name="end"/>.</summary>
    public static bool IsAt(IHostFile file, ulong offset, long end)
    {
        if (offset < VhdLayout.FooterBytes || offset > (ulong)end || VhdLayout.HeaderBytes > (ulong)end - offset) return false;
        Span<byte> bytes = stackalloc byte[VhdLayout.HeaderBytes];
        return file.Read((long)offset, bytes) == bytes.Length && bytes.StartsWith(VhdLayout.HeaderCookie)
            && BinaryPrimitives.ReadUInt32BigEndian(bytes[ChecksumField..]) == VhdChecksum.Compute(bytes, ChecksumField);
    }

    /// <param name="file">For errors.</param>
    /// <param name="offset">Where the header stands in the file.</param>
    /// <param name="bytes">Its 1024 bytes.</param>
    /// <exception cref="ImageFormatException">Cookie, checksum or version is wrong, or the block size is no power of two from 512.</exception>
    public static VhdHeader Parse(VhdFile file, long offset, ReadOnlySpan<byte> bytes)
    {
        if (!bytes.StartsWith(VhdLayout.HeaderCookie)) throw file.Mismatch(offset, "dynamic disk header Cookie", "\"cxsparse\"", Convert.ToHexStringLower(bytes[..VhdLayout.HeaderCookie.Length]));
        var (found, expected) = (BinaryPrimitives.ReadUInt32BigEndian(bytes[ChecksumField..]), VhdChecksum.Compute(bytes, ChecksumField));
        if (found != expected) throw file.Mismatch(offset + ChecksumField, "dynamic disk header Checksum", $"{expected:x8}, which the bytes give", $"{found:x8}");
        var major = BinaryPrimitives.ReadUInt16BigEndian(bytes[24..]);
        if (major != VhdLayout.VersionMajor) throw file.Mismatch(offset + 24, "Header Version", $"{VhdLayout.VersionMajor}.x", $"{major}.x");
        var blockSize = BinaryPrimitives.ReadUInt32BigEndian(bytes[32..]);
        if (!BitOperations.IsPow2(blockSize) || blockSize is < VhdLayout.SectorBytes) throw file.Mismatch(offset + 32, "Block Size", $"a power of two from {VhdLayout.SectorBytes} on", $"{blockSize}");
        var locators = new List<VhdLocator>();
        for (var i = 0; i < VhdLayout.Locators; i++)
        {
            var locator = VhdLocator.Parse(bytes[(LocatorField + (i * VhdLocator.Bytes))..]);
            if (locator is { Platform: not 0, Length: not 0 }) locators.Add(locator);
        }

        var name = Encoding.BigEndianUnicode.GetString(bytes.Slice(NameField, NameBytes));
        var end = name.IndexOf('\0', StringComparison.Ordinal);
        return new VhdHeader
        {
            TableOffset = BinaryPrimitives.ReadUInt64BigEndian(bytes[16..]),
            TableEntries = BinaryPrimitives.ReadUInt32BigEndian(bytes[28..]),
            BlockSize = blockSize,
            ParentId = new Guid(bytes.Slice(40, 16), bigEndian: true),
            ParentTimeStamp = BinaryPrimitives.ReadUInt32BigEndian(bytes[56..]),
            ParentName = end < 0 ? name : name[..end],
            Locators = locators,
        };
    }

    /// <summary>Makes a header's bytes name another table; all that changes is in their first sector.</summary>
    public static void MoveTable(Span<byte> bytes, long offset, uint entries)
    {
        BinaryPrimitives.WriteInt64BigEndian(bytes[16..], offset);
        BinaryPrimitives.WriteUInt32BigEndian(bytes[28..], entries);
        VhdChecksum.Put(bytes, ChecksumField);
    }

    public byte[] ToBytes()
    {
        var bytes = new byte[VhdLayout.HeaderBytes];
        VhdLayout.HeaderCookie.CopyTo(bytes);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(8), ulong.MaxValue);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(16), TableOffset);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(24), VhdLayout.Version);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(28), TableEntries);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(32), BlockSize);
        ParentId.TryWriteBytes(bytes.AsSpan(40), bigEndian: true, out _);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(56), ParentTimeStamp);
        // One character is left for the end.
        Encoding.BigEndianUnicode.GetBytes(ParentName.AsSpan(0, Math.Min(ParentName.Length, (NameBytes / 2) - 1)), bytes.AsSpan(NameField));
        for (var i = 0; i < Locators.Count; i++) Locators[i].Put(bytes.AsSpan(LocatorField + (i * VhdLocator.Bytes)));
        VhdChecksum.Put(bytes, ChecksumField);
        return bytes;
    }
}
