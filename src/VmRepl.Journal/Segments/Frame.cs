using VmRepl.Blocks;
using VmRepl.Protocol;
using VmRepl.Protocol.MessagePack;

namespace VmRepl.Journal.Segments;

/// <summary>
/// The envelope of everything in a segment that is not a payload: MessagePack array(3) of a magic string, the CRC-32C of the body as uint32, and the body as bin32.
/// The prefix has a fixed size, so a reader knows how much to read next before it trusts anything.
/// </summary>
internal static class Frame
{
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
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(writer.Written(7, 4), checksum);
        System.Buffers.Binary.BinaryPrimitives.WriteInt32BigEndian(writer.Written(12, 4), bodyBytes);
        return checksum;
    }

    /// <summary>Reads a frame's prefix. False where there is none of that magic: the free space after the last commit, or an older use of the file.</summary>
    /// <param name="bodyBytes">Length of the body, not yet compared with anything.</param>
    public static bool TryReadPrefix(ReadOnlySpan<byte> prefix, string magic, out uint checksum, out long bodyBytes)
    {
        checksum = 0;
        bodyBytes = 0;
        var reader = new MessagePackReader(prefix);
        try
        {
            if (reader.ReadArrayHeader() != 3 || reader.ReadString(magic.Length) != magic) return false;
            checksum = reader.ReadUInt32();
            // The bin32 header is taken by hand: its contents lie beyond this span.
            if (prefix[reader.Position] != 0xc6) return false;
            bodyBytes = System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(prefix[(reader.Position + 1)..]);
            return true;
        }
        catch (ProtocolException)
        {
            return false;
        }
    }
}
