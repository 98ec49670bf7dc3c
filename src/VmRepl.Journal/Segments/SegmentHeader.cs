using VmRepl.Blocks.Files;
using VmRepl.Protocol;
using VmRepl.Protocol.MessagePack;

namespace VmRepl.Journal.Segments;

/// <summary>What the first 4096 bytes of a segment say.</summary>
/// <param name="Serial">Number of the segment in its group, from 1, never used twice.</param>
/// <param name="Nonce">Random, and in every commit of this use of the file: what a guest wrote into an earlier payload can never pass for a commit.</param>
/// <param name="SegmentBytes">Size of the file.</param>
/// <param name="CreatedUs">Replica's clock at creation, microseconds since 1970 UTC.</param>
/// <param name="Previous">Checksum of the last commit before this segment; 0 for a group's first. It shows whether the segment before still ends where it did.</param>
internal sealed record SegmentHeader(ulong Serial, ulong Nonce, long SegmentBytes, long CreatedUs, uint Previous)
{
    // 2: payloads on 512-byte boundaries, and holes where void copies were.
    private const int Version = 2;
    private const int Fields = 6;

    public void WriteTo(IHostFile file)
    {
        using var writer = new MessagePackWriter(SegmentLayout.HeaderBytes);
        Frame.Begin(writer, SegmentLayout.HeaderMagic);
        writer.WriteArrayHeader(Fields);
        writer.WriteInt32(Version);
        writer.WriteUInt64(Serial);
        writer.WriteUInt64(Nonce);
        writer.WriteInt64(SegmentBytes);
        writer.WriteInt64(CreatedUs);
        writer.WriteUInt32(Previous);
        Frame.End(writer);
        var page = new byte[SegmentLayout.HeaderBytes];
        writer.WrittenSpan.CopyTo(page);
        file.Write(0, page);
    }

    /// <summary>Whether a header stands there that is what was written, whatever it says.</summary>
    public static bool Verifies(IHostFile file) => TryReadBody(file, out _);

    /// <summary>Whether an older build made the segment: it is read, and nothing is added to it that such a build could not read.</summary>
    public static bool IsOfOlderVersion(IHostFile file)
    {
        if (!TryReadBody(file, out var body)) return false;
        var reader = new MessagePackReader(body);
        reader.ReadArrayHeader();
        return reader.ReadInt32("version") < Version;
    }

    /// <summary>Reads and verifies the header; a segment gets its name only when its header is durable, so that one that does not verify is damage.</summary>
    /// <exception cref="JournalDamagedException">It does not verify, is of a newer version or contradicts itself.</exception>
    public static SegmentHeader Read(IHostFile file)
    {
        if (!TryReadBody(file, out var body)) throw new JournalDamagedException(file.Path, 0, "the segment's header does not verify");
        try
        {
            var reader = new MessagePackReader(body);
            var fields = reader.ReadArrayHeader();
            var version = reader.ReadInt32("version");
            if (version > Version) throw new JournalDamagedException(file.Path, 0, $"is of journal version {version}; this build reads up to {Version}");
            var header = new SegmentHeader(reader.ReadUInt64("serial"), reader.ReadUInt64("nonce"), reader.ReadInt64("segmentBytes"), reader.ReadInt64("createdUs"), reader.ReadUInt32("previous"));
            for (var i = Fields; i < fields; i++) reader.Skip();
            if (header.SegmentBytes is < SegmentLayout.SegmentBytesMin or > SegmentLayout.SegmentBytesMax)
                throw new JournalDamagedException(file.Path, 0, $"gives a segment size of {header.SegmentBytes} bytes");
            if (file.Length < header.SegmentBytes)
                throw new JournalDamagedException(file.Path, file.Length, $"the segment was cut off: it has {file.Length} bytes and says that it has {header.SegmentBytes}");
            return header;
        }
        catch (ProtocolException e)
        {
            throw new JournalDamagedException(file.Path, 0, $"has a header that does not parse: {e.Message}", e);
        }
    }

    /// <summary>
    /// What a header that does not verify must have said, from the segment's first commit, which names serial and nonce; null where that does not verify either.
    /// Serials are not used twice and a guest's bytes are never the first behind a header, so nothing else can stand there. The time of creation is not known and is 0.
    /// </summary>
    /// <param name="serial">As the file's name has it.</param>
    public static SegmentHeader? Rebuild(IHostFile file, ulong serial)
    {
        if (file.Length is < SegmentLayout.SegmentBytesMin or > SegmentLayout.SegmentBytesMax || !System.Numerics.BitOperations.IsPow2(file.Length)) return null;
        var prefix = new byte[SegmentLayout.FramePrefixBytes];
        if (file.Read(SegmentLayout.HeaderBytes, prefix) != prefix.Length || !Frame.TryReadPrefix(prefix, SegmentLayout.CommitMagic, out var checksum, out var bodyBytes)
            || bodyBytes > file.Length - SegmentLayout.HeaderBytes - SegmentLayout.FramePrefixBytes) return null;
        var body = new byte[bodyBytes];
        if (file.Read(SegmentLayout.HeaderBytes + SegmentLayout.FramePrefixBytes, body) != body.Length || Blocks.Crc32C.Compute(body) != checksum) return null;
        try
        {
            var reader = new MessagePackReader(body);
            var first = CommitHeader.Read(ref reader);
            return first.Serial == serial && first.Index == 0 ? new SegmentHeader(serial, first.Nonce, file.Length, 0, first.Previous) : null;
        }
        catch (ProtocolException)
        {
            return null;
        }
    }

    private static bool TryReadBody(IHostFile file, out ReadOnlySpan<byte> body)
    {
        body = default;
        var page = new byte[SegmentLayout.HeaderBytes];
        if (file.Read(0, page) != page.Length || !Frame.TryReadPrefix(page, SegmentLayout.HeaderMagic, out var checksum, out var bodyBytes) || bodyBytes > page.Length - SegmentLayout.FramePrefixBytes) return false;
        body = page.AsSpan(SegmentLayout.FramePrefixBytes, (int)bodyBytes);
        return Blocks.Crc32C.Compute(body) == checksum;
    }
}
