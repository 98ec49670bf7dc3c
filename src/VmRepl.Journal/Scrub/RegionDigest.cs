using System.Buffers.Binary;
using System.Security.Cryptography;
using VmRepl.Blocks;

namespace VmRepl.Journal.Scrub;

/// <summary>
/// What one region of a live image held when it was last scrubbed; one entry of a digest file (docs/journal-format.md, "Region digests").
/// <code>
/// Offset  Size  Field
/// 0       16    the first 16 bytes of the SHA-256 of the region's contents
/// 16      8     sequence applied when it was taken, big endian
/// 24      4     1: there is a digest; 0, with everything else: there is none
/// 28      4     CRC-32C of the bytes before and of the region's number (8 bytes, big endian), big endian
/// total   32
/// </code>
/// </summary>
internal readonly record struct RegionDigest(UInt128 Digest, ulong Sequence)
{
    /// <summary>Bytes of a live image that one digest covers; a disk's last region may be shorter.</summary>
    public const int RegionBytes = 1 << 20;

    public const int EntryBytes = 32;

    private const int SequenceAt = 16, StateAt = 24, ChecksumAt = 28;

    public static UInt128 Compute(ReadOnlySpan<byte> contents)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(contents, hash);
        return BinaryPrimitives.ReadUInt128BigEndian(hash);
    }

    public void WriteTo(Span<byte> entry, long region)
    {
        BinaryPrimitives.WriteUInt128BigEndian(entry, Digest);
        BinaryPrimitives.WriteUInt64BigEndian(entry[SequenceAt..], Sequence);
        BinaryPrimitives.WriteUInt32BigEndian(entry[StateAt..], 1);
        BinaryPrimitives.WriteUInt32BigEndian(entry[ChecksumAt..], Checksum(entry, region));
    }

    /// <summary>False where the entry does not verify.</summary>
    public static bool TryRead(ReadOnlySpan<byte> entry, long region, out RegionDigest digest)
    {
        digest = new RegionDigest(BinaryPrimitives.ReadUInt128BigEndian(entry), BinaryPrimitives.ReadUInt64BigEndian(entry[SequenceAt..]));
        return BinaryPrimitives.ReadUInt32BigEndian(entry[StateAt..]) == 1 && BinaryPrimitives.ReadUInt32BigEndian(entry[ChecksumAt..]) == Checksum(entry, region);
    }

    // The region's number is in it, so that an entry that was written to the wrong place is no entry there.
    private static uint Checksum(ReadOnlySpan<byte> entry, long region)
    {
        Span<byte> covered = stackalloc byte[ChecksumAt + sizeof(long)];
        entry[..ChecksumAt].CopyTo(covered);
        BinaryPrimitives.WriteInt64BigEndian(covered[ChecksumAt..], region);
        return Crc32C.Compute(covered);
    }
}
