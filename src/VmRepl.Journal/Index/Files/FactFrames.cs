using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Journal.Segments;
using VmRepl.Protocol;
using VmRepl.Protocol.MessagePack;

namespace VmRepl.Journal.Index.Files;

/// <summary>The facts of an index file as they stand there: frames one behind the other, the body of each its number, the number of its facts, and these.</summary>
internal static class FactFrames
{
    /// <summary>Reads and verifies them, one frame at a time.</summary>
    /// <exception cref="JournalDamagedException">A frame does not verify or is not where it should be.</exception>
    public static IEnumerable<IndexFact> Read(IHostFile file, IndexHeader header)
    {
        var at = header.Facts.Offset;
        var end = at + header.Facts.Bytes;
        for (var i = 0; i < header.FactFrames; i++)
        {
            var body = ReadBody(file, at, end);
            foreach (var fact in Parse(body, i, file.Path, at)) yield return fact;
            at += SegmentLayout.FramePrefixBytes + body.Length;
        }

        if (at != end) throw new JournalDamagedException(file.Path, at, "the facts of the index end before their area does");
    }

    private static byte[] ReadBody(IHostFile file, long at, long end)
    {
        Span<byte> prefix = stackalloc byte[SegmentLayout.FramePrefixBytes];
        if (file.Read(at, prefix) != prefix.Length || !Frame.TryReadPrefix(prefix, IndexLayout.FactsMagic, out var checksum, out var bodyBytes)
            || bodyBytes > IndexLayout.FactsBodyBytesMax || bodyBytes > end - at - prefix.Length) throw Damaged(file.Path, at);
        var body = new byte[bodyBytes];
        if (file.Read(at + prefix.Length, body) != body.Length || Crc32C.Compute(body) != checksum) throw Damaged(file.Path, at);
        return body;
    }

    private static List<IndexFact> Parse(byte[] body, int number, string path, long at)
    {
        try
        {
            var reader = new MessagePackReader(body);
            if (reader.ReadInt32("frame") != number) throw new JournalDamagedException(path, at, $"frame {number} of the facts is due here and another one stands here");
            var count = reader.ReadInt32("facts");
            var facts = new List<IndexFact>();
            for (var i = 0; i < count; i++) facts.Add(IndexFact.Read(ref reader, body));
            reader.ExpectEnd("facts");
            return facts;
        }
        catch (ProtocolException e)
        {
            throw new JournalDamagedException(path, at, $"facts of the index do not parse: {e.Message}", e);
        }
    }

    private static JournalDamagedException Damaged(string path, long at) => new(path, at, "facts of the index do not verify");
}
