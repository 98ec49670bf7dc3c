using System.Buffers.Binary;
using VmRepl.Blocks;
using VmRepl.Protocol.MessagePack;
using VmRepl.Protocol.Records;

namespace VmRepl.Protocol.Tests.Records;

public class RecordTests
{
    [TestCaseSource(typeof(SampleRecords), nameof(SampleRecords.All))]
    public void Record_WrittenAndRead_IsTheSame(Record record)
    {
        using var writer = new MessagePackWriter();
        record.WriteTo(writer);
        Assert.That(writer.Length, Is.AtMost(record.MaxEncodedBytes));
        var source = writer.WrittenSpan.ToArray();

        var read = ReadOne(source, out var place);

        Assert.That(place, Is.EqualTo(-1));
        SampleRecords.AssertSame(read, record);
        Assert.That(read.EncodedHeader.ToArray(), Is.EqualTo(record.EncodedHeader.ToArray()));
        Assert.That(read.HeaderChecksum, Is.EqualTo(Crc32C.Compute(record.EncodedHeader.Span)));
        Assert.That(read.VerifyPayload, Throws.Nothing);

        // What was read is written again as the same bytes: a record is encoded once in its life.
        using var again = new MessagePackWriter();
        read.WriteTo(again);
        Assert.That(again.WrittenSpan.ToArray(), Is.EqualTo(source));
    }

    [TestCaseSource(typeof(SampleRecords), nameof(SampleRecords.All))]
    public void Record_CutAtEachByte_IsTruncated(Record record)
    {
        using var writer = new MessagePackWriter();
        record.WriteTo(writer);
        var whole = writer.WrittenSpan.ToArray();
        for (var cut = 0; cut < whole.Length; cut += cut < 400 || cut > whole.Length - 100 ? 1 : 97)
        {
            var part = whole[..cut];
            var fault = Assert.Throws<ProtocolException>(() => ReadOne(part, out _), $"cut at {cut}")!;
            Assert.That(fault.IsTruncated, Is.True, $"cut at {cut}: {fault.Message}");
        }
    }

    [Test]
    public void Record_WithAnyBitFlipped_IsRefusedOrFailsItsPayload()
    {
        var record = SampleRecords.Write(7, 4096 + 512);
        using var writer = new MessagePackWriter();
        record.WriteTo(writer);
        var whole = writer.WrittenSpan.ToArray();
        for (var bit = 0; bit < whole.Length * 8; bit++)
        {
            var damaged = whole.ToArray();
            damaged[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.That(() => ReadOne(damaged, out _).VerifyPayload(), Throws.InstanceOf<ProtocolException>(), $"bit {bit}");
        }
    }

    [Test]
    public void Record_WithItsPayloadElsewhere_IsReadWithThePlaceAndTakesThePayload()
    {
        var record = SampleRecords.Write(9, 3 * 4096);
        using var writer = new MessagePackWriter();
        record.WriteHeaderTo(writer, 1L << 40);

        var read = ReadOne(writer.WrittenSpan.ToArray(), out var place);

        Assert.That((place, read.PayloadLength, read.Payload.Length), Is.EqualTo((1L << 40, 3 * 4096, 0)));
        Assert.That(read.VerifyPayload, Throws.InvalidOperationException);
        Assert.That(() => read.WriteTo(writer), Throws.InvalidOperationException);
        Assert.That(() => read.WithPayload(new byte[4096]), Throws.ArgumentException);
        Assert.That(read.WithPayload(record.Payload).VerifyPayload, Throws.Nothing);
        Assert.That(read.WithPayload(new byte[3 * 4096]).VerifyPayload, Throws.InstanceOf<ProtocolException>().With.Message.Contains("Write record 9").And.Message.Contains("chunk 0"));
    }

    [Test]
    public void Record_WithoutPayload_HasNoPlaceForOne()
    {
        using var writer = new MessagePackWriter();
        Assert.That(() => SampleRecords.Zero(1).WriteHeaderTo(writer, 0), Throws.InvalidOperationException);
    }

    [Test]
    public void VerifyPart_OfWholeChunks_FindsTheDamagedOne()
    {
        var record = SampleRecords.Write(3, (2 * 4096) + 512);
        var bytes = record.Payload.ToArray();
        bytes[5000] ^= 1;
        Assert.That(record.VerifyPart(0, bytes.AsSpan(0, 4096)), Is.True);
        Assert.That(record.VerifyPart(4096, bytes.AsSpan(4096, 4096)), Is.False);
        Assert.That(record.VerifyPart(8192, bytes.AsSpan(8192)), Is.True);
        Assert.That(record.VerifyPart(0, bytes), Is.False);
        Assert.That(record.VerifyPart(0, record.Payload.Span), Is.True);
        Assert.That(record.VerifyPart(bytes.Length - 512, bytes.AsSpan(0, 0)), Is.True);
        Assert.That(() => record.VerifyPart(512, bytes.AsSpan(512, 4096)), Throws.ArgumentException);
        Assert.That(() => record.VerifyPart(0, bytes.AsSpan(0, 512)), Throws.ArgumentException);
        Assert.That(() => record.VerifyPart(8192, bytes.AsSpan(0, 4096)), Throws.ArgumentException);
        Assert.That(() => record.VerifyPart(-4096, bytes.AsSpan(0, 4096)), Throws.ArgumentException);
        Assert.That(() => record.VerifyPart(12288, bytes.AsSpan(0, 0)), Throws.ArgumentException);
    }

    [Test]
    public void Checksums_OfAPayload_AreCrc32COfEach4096Bytes()
    {
        var record = SampleRecords.Write(3, 4096 + 512);
        Assert.That(record.Checksums.Length, Is.EqualTo(8));
        Assert.That(BinaryPrimitives.ReadUInt32LittleEndian(record.Checksums), Is.EqualTo(Crc32C.Compute(record.Payload.Span[..4096])));
        Assert.That(BinaryPrimitives.ReadUInt32LittleEndian(record.Checksums[4..]), Is.EqualTo(Crc32C.Compute(record.Payload.Span[4096..])));
    }

    [Test]
    public void EncodedHeader_OfASmallWrite_IsTheDocumentedBytes()
    {
        var record = Record.Create(new RecordHeader { Kind = RecordKind.Write, Sequence = 300, Disk = 2, Offset = 512, Length = 512 }, new byte[512]);
        // The CRC-32C of 512 zeros is 0x30fcedc0.
        Assert.That(Convert.ToHexStringLower(record.EncodedHeader.Span), Is.EqualTo("88" + "0001" + "0101" + "02cd012c" + "0502" + "06cd0200" + "07cd0200" + "08c404" + Checksum(record) + "0ccd0200"));
    }

    [Test]
    public void LargestPayload_IsMadeAndReadAndOneMoreByteIsNot()
    {
        var payload = new byte[RecordLimits.MaxPayloadBytes];
        var record = Record.Create(new RecordHeader { Kind = RecordKind.Write, Sequence = 1, Length = payload.Length }, payload);
        using var writer = new MessagePackWriter();
        record.WriteTo(writer);
        Assert.That(ReadOne(writer.WrittenSpan.ToArray(), out _).VerifyPayload, Throws.Nothing);
        var larger = new byte[RecordLimits.MaxPayloadBytes + 512];
        Assert.That(() => Record.Create(new RecordHeader { Kind = RecordKind.Write, Sequence = 1, Length = larger.Length }, larger), Throws.ArgumentException);
    }

    private static string Checksum(Record record) => Convert.ToHexStringLower(BitConverter.GetBytes(Crc32C.Compute(record.Payload.Span)));

    private static Record ReadOne(byte[] source, out long place)
    {
        var reader = new MessagePackReader(source);
        var record = Record.Read(ref reader, source, out place);
        reader.ExpectEnd("record");
        return record;
    }
}
