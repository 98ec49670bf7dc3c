using System.Buffers.Binary;
using VmRepl.Blocks;
using VmRepl.Protocol.MessagePack;

namespace VmRepl.Journal.Segments;

/// <summary>
/// The envelope of everything in a segment that is not a payload: MessagePack array(3) of a magic string, the CRC-32C of the body as uint32, and the body as bin32.
/// The prefix has one fixed encoding, so a reader knows how much to read next before it trusts anything, and tells free space from a frame at a glance.
/// <code>
/// Offset  Size  Field
/// 0       1     0x93, array of 3
/// 1       5     0xa4, magic of 4 ASCII letters
/// 6       5     0xce, CRC-32C of the body, big endian
/// 11      5     0xc6, bytes of the body, big endian
/// total   16
/// </code>
/// </summary>
internal static class Frame
{
    private const byte ArrayOf3 = 0x93, StringOf4 = 0xa4, UInt32Code = 0xce, Binary32Code = 0xc6;
    private const int MagicAt = 2, ChecksumAt = 7, BodyBytesAt = 12;

    /// <summary>Starts a frame in an empty writer; the body is written next.</summary>
    public static void Begin(MessagePackWriter writer, string magic)
    {
        writer.Reset();
        writer.WriteArrayHeader(3);
        writer.WriteString(magic);
        writer.WriteFixedUInt32(0);
        writer.WriteBinary32Header(0);
    }

    /// <summary>Fills in length and checksum of what was written since <see cref="Begin"/>; returns the checksum.</summary>
    public static uint End(MessagePackWriter writer)
    {
        var bodyBytes = writer.Length - SegmentLayout.FramePrefixBytes;
        var checksum = Crc32C.Compute(writer.WrittenSpan[SegmentLayout.FramePrefixBytes..]);
        BinaryPrimitives.WriteUInt32BigEndian(writer.Written(ChecksumAt, sizeof(uint)), checksum);
        BinaryPrimitives.WriteInt32BigEndian(writer.Written(BodyBytesAt, sizeof(int)), bodyBytes);
        return checksum;
    }

    /// <summary>Reads a frame's prefix. False where there is none of that magic: the free space after the last commit, or an older use of the file.</summary>
    /// <param name="prefix">The 16 bytes, or more.</param>
    /// <param name="magic">Four ASCII letters.</param>
    /// <param name="checksum">Of the body.</param>
    /// <param name="bodyBytes">Length of the body, not yet compared with anything.</param>
    public static bool TryReadPrefix(ReadOnlySpan<byte> prefix, string magic, out uint checksum, out long bodyBytes)
    {
        checksum = 0;
        bodyBytes = 0;
        if (prefix.Length < SegmentLayout.FramePrefixBytes || prefix[0] != ArrayOf3 || prefix[1] != StringOf4) return false;
        for (var i = 0; i < magic.Length; i++)
        {
            if (prefix[MagicAt + i] != magic[i]) return false;
        }

        if (prefix[ChecksumAt - 1] != UInt32Code || prefix[BodyBytesAt - 1] != Binary32Code) return false;
        checksum = BinaryPrimitives.ReadUInt32BigEndian(prefix[ChecksumAt..]);
        bodyBytes = BinaryPrimitives.ReadUInt32BigEndian(prefix[BodyBytesAt..]);
        return true;
    }
}
