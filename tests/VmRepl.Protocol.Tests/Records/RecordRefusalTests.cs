using VmRepl.Blocks;
using VmRepl.Protocol.MessagePack;
using VmRepl.Protocol.Records;

namespace VmRepl.Protocol.Tests.Records;

/// <summary>Headers that a correct writer never makes, each with a good checksum: only the rules stand between them and a disk.</summary>
public class RecordRefusalTests
{
    private static readonly TestCaseData[] Headers =
    [
        Header("version", "a later version", w => Fields(w, (0, 2), (1, 1), (7, 512), (12, 512))),
        Header("version", "none", w => Fields(w, (1, 9), (2, 5))),
        Header("version", "no field", w => Fields(w)),
        Header("version", "zero", w => Fields(w, (0, 0), (1, 9))),
        Header("kind", "none", w => Fields(w, (0, 1), (2, 5))),
        Header("kind", "unknown", w => Fields(w, (0, 1), (1, 13))),
        Header("kind", "beyond a byte", w => Fields(w, (0, 1), (1, 257))),
        Header("content", "unknown", w => Fields(w, (0, 1), (1, 32), (7, 512), (9, 3))),
        Header("content", "beyond a byte", w => Fields(w, (0, 1), (1, 32), (7, 512), (9, 256))),
        Header("content", "of a write", w => Fields(w, (0, 1), (1, 1), (7, 512), (9, 1))),
        Header("content", "of a bookmark", w => Fields(w, (0, 1), (1, 4), (9, 1))),
        Header("offset", "unaligned", w => Fields(w, (0, 1), (1, 2), (6, 100), (7, 512))),
        Header("offset", "above 2^63", w => Fields(w, (0, 1), (1, 2), (6, 1UL << 63), (7, 512))),
        Header("length", "unaligned", w => Fields(w, (0, 1), (1, 2), (7, 100))),
        Header("length", "none", w => Fields(w, (0, 1), (1, 2), (6, 512))),
        Header("length", "overflowing", w => Fields(w, (0, 1), (1, 2), (6, 1UL << 62), (7, 1UL << 62))),
        Header("payload length", "a write's missing", w => Fields(w, (0, 1), (1, 1), (7, 512))),
        Header("payload length", "a zero's", w => Fields(w, (0, 1), (1, 2), (7, 512), (12, 512))),
        Header("payload length", "an undo's of a hole", w => Fields(w, (0, 1), (1, 32), (7, 512), (9, 2), (12, 512))),
        Header("payload length", "too large", w => Fields(w, (0, 1), (1, 1), (7, 1 << 26), (12, 1 << 26))),
        Header("payload length", "beyond 32 bits", w => Fields(w, (0, 1), (1, 1), (7, 1UL << 40), (12, 1UL << 40))),
        Header("checksums", "missing", w => Fields(w, (0, 1), (1, 1), (7, 512), (12, 512))),
        Header("checksums", "without a payload", w =>
        {
            w.WriteRaw([0x83, 0, 1, 1, 4, 8]);
            w.WriteBinary(new byte[4]);
        }),
        Header("key", "out of order", w => Fields(w, (0, 1), (2, 5), (1, 4))),
        Header("key", "twice", w => Fields(w, (0, 1), (1, 4), (1, 1))),
        Header("key", "text", w => w.WriteRaw([0x82, 0, 1, 0xa1, 0x78, 1])),
        Header("header", "bytes after it", w =>
        {
            Fields(w, (0, 1), (1, 4));
            w.WriteNil();
        }),
        Header("header", "no map", w => w.WriteRaw([0x92, 0, 1])),
        Header("attribute", "a key twice", w => w.WriteRaw([0x83, 0, 1, 1, 4, 11, 0x82, 0xa1, 0x61, 0xa0, 0xa1, 0x61, 0xa0])),
        Header("attribute", "a value too long", w =>
        {
            w.WriteRaw([0x83, 0, 1, 1, 4, 11, 0x81, 0xa1, 0x61]);
            w.WriteString(new string('x', RecordLimits.MaxAttributeValueBytes + 1));
        }),
        Header("attributes", "too many", w =>
        {
            w.WriteRaw([0x83, 0, 1, 1, 4, 11]);
            w.WriteMapHeader(RecordLimits.MaxAttributes + 1);
            for (var i = 0; i <= RecordLimits.MaxAttributes; i++) w.WriteRaw([0xa1, 0x61, 0xa0]);
        }),
        Header("newer version", "nested without end", w =>
        {
            w.WriteRaw([0x83, 0, 1, 1, 4, 13]);
            for (var i = 0; i < 100; i++) w.WriteRaw([0x91]);
            w.WriteNil();
        }),
    ];

    [TestCaseSource(nameof(Headers))]
    public void Header_ThatBreaksARule_IsRefusedByName(byte[] header, string field)
    {
        var fault = Assert.Throws<ProtocolException>(() => Read(Wrap(header, w => w.WriteNil())))!;
        Assert.That(fault.Field, Does.Contain(field));
        Assert.That(fault.Message, Does.Not.Contain("checksum at"));
    }

    [Test]
    public void Header_WithFieldsOfANewerMinorVersion_IsReadWithoutThem()
    {
        using var writer = new MessagePackWriter();
        writer.WriteRaw([0x84, 0, 1, 1, 4, 2, 9, 13, 0x92, 0xc0, 0xa1, 0x78]);
        var record = Read(Wrap(writer.WrittenSpan.ToArray(), w => w.WriteNil()));
        Assert.That((record.Header.Kind, record.Header.Sequence), Is.EqualTo((RecordKind.Bookmark, 9UL)));
    }

    [Test]
    public void Header_OfMoreThan64KiB_IsRefusedBothWays()
    {
        var large = new byte[RecordLimits.MaxEncodedHeaderBytes + 1];
        Assert.That(() => Read(Wrap(large, w => w.WriteNil())), Throws.InstanceOf<ProtocolException>().With.Message.Contains("65536"));
        var attributes = Enumerable.Range(0, 5).ToDictionary(i => $"key {i}", _ => new string('x', RecordLimits.MaxAttributeValueBytes));
        Assert.That(() => Record.Create(new RecordHeader { Kind = RecordKind.Bookmark, Attributes = attributes }, default), Throws.ArgumentException);
    }

    [Test]
    public void Payload_OfAnotherShapeThanTheHeaderSays_IsRefused()
    {
        var write = SampleRecords.Write(1, 512).EncodedHeader.ToArray();
        Assert.That(() => Read(Wrap(write, w => w.WriteNil())), Throws.InstanceOf<ProtocolException>());
        Assert.That(() => Read(Wrap(write, w => w.WriteBinary(new byte[1024]))), Throws.InstanceOf<ProtocolException>());
        Assert.That(() => Read(Wrap(write, w => w.WriteInt32(-1))), Throws.InstanceOf<ProtocolException>());
        Assert.That(() => Read(Wrap(write, w => w.WriteUInt64(1UL << 63))), Throws.InstanceOf<ProtocolException>());
        Assert.That(() => Read(Wrap(write, w => w.WriteString("payload"))), Throws.InstanceOf<ProtocolException>());
        var zero = SampleRecords.Zero(1).EncodedHeader.ToArray();
        Assert.That(() => Read(Wrap(zero, w => w.WriteBinary(new byte[512]))), Throws.InstanceOf<ProtocolException>());
        Assert.That(() => Read(Wrap(zero, w => w.WriteInt32(4096))), Throws.InstanceOf<ProtocolException>());
    }

    [TestCase(0), TestCase(2), TestCase(4)]
    public void Record_OfAnotherNumberOfItems_IsRefused(int items)
    {
        var bytes = new byte[20];
        bytes[0] = (byte)(0x90 + items);
        Assert.That(() => Read(bytes), Throws.InstanceOf<ProtocolException>().With.Message.Contains("array of 3"));
    }

    [Test]
    public void Create_WithFieldsThatDoNotFit_IsRefusedBeforeAnythingTravels()
    {
        Assert.That(() => Record.Create(new RecordHeader { Kind = RecordKind.Write, Length = 1024 }, new byte[512]), Throws.ArgumentException);
        Assert.That(() => Record.Create(new RecordHeader { Kind = RecordKind.Write, Offset = 1, Length = 512 }, new byte[512]), Throws.ArgumentException);
        Assert.That(() => Record.Create(new RecordHeader { Kind = RecordKind.Zero, Length = 512 }, new byte[512]), Throws.ArgumentException);
        Assert.That(() => Record.Create(new RecordHeader { Kind = RecordKind.Punch, Offset = -512, Length = 512 }, default), Throws.ArgumentException);
        Assert.That(() => Record.Create(new RecordHeader { Kind = RecordKind.Zero, Offset = long.MaxValue - 511, Length = 512 }, default), Throws.ArgumentException);
        Assert.That(() => Record.Create(new RecordHeader { Kind = 0 }, default), Throws.ArgumentException);
        var attributes = new Dictionary<string, string> { [new string('k', RecordLimits.MaxAttributeKeyBytes + 1)] = "" };
        Assert.That(() => Record.Create(new RecordHeader { Kind = RecordKind.Bookmark, Attributes = attributes }, default), Throws.ArgumentException);
    }

    private static TestCaseData Header(string field, string what, Action<MessagePackWriter> write)
    {
        using var writer = new MessagePackWriter();
        write(writer);
        return new TestCaseData(writer.WrittenSpan.ToArray(), field).SetArgDisplayNames($"{field}: {what}");
    }

    private static void Fields(MessagePackWriter writer, params (uint Key, ulong Value)[] fields)
    {
        writer.WriteMapHeader(fields.Length);
        foreach (var (key, value) in fields)
        {
            writer.WriteUInt32(key);
            writer.WriteUInt64(value);
        }
    }

    private static byte[] Wrap(byte[] header, Action<MessagePackWriter> writePayload)
    {
        using var writer = new MessagePackWriter();
        writer.WriteArrayHeader(3);
        writer.WriteBinary(header);
        writer.WriteFixedUInt32(Crc32C.Compute(header));
        writePayload(writer);
        return writer.WrittenSpan.ToArray();
    }

    private static Record Read(byte[] source)
    {
        var reader = new MessagePackReader(source);
        return Record.Read(ref reader, source, out _);
    }
}
