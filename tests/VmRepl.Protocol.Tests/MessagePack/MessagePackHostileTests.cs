using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Tests.MessagePack;

/// <summary>Bytes that lie: each must end in a typed error before anything is allocated or read beyond the end.</summary>
public class MessagePackHostileTests
{
    [TestCase("db0000ffff"), TestCase("d9ff61"), TestCase("daffff61"), TestCase("bf61")]
    public void String_LengthBeyondTheEnd_IsTruncated(string hex) => AssertTruncated(hex, (ref MessagePackReader r) => r.ReadString(100_000, "name"));

    [TestCase("c6ffffffff"), TestCase("c67fffffff00"), TestCase("c5ffff00"), TestCase("c4ff00")]
    public void Binary_LengthBeyondTheEnd_IsTruncated(string hex) => AssertTruncated(hex, (ref MessagePackReader r) => r.ReadBinary("name"));

    [TestCase("ddffffffff"), TestCase("dd7fffffffc0"), TestCase("dcffffc0"), TestCase("9fc0")]
    public void Array_CountBeyondTheEnd_IsTruncated(string hex) => AssertTruncated(hex, (ref MessagePackReader r) => r.ReadArrayHeader("name"));

    [TestCase("dfffffffff"), TestCase("df80000000c0c0"), TestCase("deffffc0c0"), TestCase("82c0c0c0")]
    public void Map_CountBeyondTheEnd_IsTruncated(string hex) => AssertTruncated(hex, (ref MessagePackReader r) => r.ReadMapHeader("name"));

    [TestCase("c9ffffffff01"), TestCase("c8ffff01"), TestCase("c7ff01"), TestCase("d80100"), TestCase("c70c"), TestCase("d4")]
    public void Extension_LengthBeyondTheEnd_IsTruncated(string hex) => AssertTruncated(hex, (ref MessagePackReader r) => r.ReadExtension(out _, "name"));

    [Test]
    public void String_AboveTheCallersBound_IsRefusedBeforeItIsDecoded()
    {
        var fault = Assert.Throws<ProtocolException>(() => new MessagePackReader("\xa4name"u8.ToArray().AsSpan()[1..], 100).ReadString(3, "name"))!;
        Assert.That(fault.Offset, Is.EqualTo(100));
    }

    [TestCase("a1ff"), TestCase("a2c080"), TestCase("a3eda080"), TestCase("a4f4908080"), TestCase("a1c3"), TestCase("a2c3c3")]
    public void String_NotUtf8_IsRefused(string hex)
    {
        var reader = new MessagePackReader(Convert.FromHexString(hex));
        ProtocolException? fault = null;
        try
        {
            reader.ReadString(100, "name");
        }
        catch (ProtocolException caught)
        {
            fault = caught;
        }

        Assert.That(fault?.Expected, Is.EqualTo("UTF-8"));
        Assert.That(reader.Position, Is.Zero);
    }

    [Test]
    public void String_HalfASurrogatePair_IsNotWritten()
    {
        using var writer = new MessagePackWriter();
        Assert.That(() => writer.WriteString("\ud800"), Throws.InstanceOf<ArgumentException>());
    }

    [Test]
    public void Skip_NestedToTheLimit_PassesAndOneMoreIsRefused()
    {
        var deepest = Enumerable.Repeat((byte)0x91, MessagePackReader.MaxDepth).Append((byte)0xc0).ToArray();
        var reader = new MessagePackReader(deepest);
        reader.Skip();
        Assert.That(reader.IsAtEnd, Is.True);
        Assert.That(() => new MessagePackReader([0x91, .. deepest]).Skip(), Throws.InstanceOf<ProtocolException>().With.Message.Contains("nesting"));
    }

    [Test]
    public void Skip_MillionsOfNestedArrays_NeitherRecursesNorAllocates()
    {
        var bytes = new byte[8 << 20];
        bytes.AsSpan().Fill(0x91);
        Assert.That(() => new MessagePackReader(bytes).Skip(), Throws.InstanceOf<ProtocolException>());
    }

    [Test]
    public void Skip_ReservedCode_IsRefused()
    {
        Assert.That(() => new MessagePackReader([0xc1]).Skip("field"), Throws.InstanceOf<ProtocolException>().With.Message.Contains("0xc1"));
        Assert.That(() => new MessagePackReader([0x92, 0xc0, 0xc1]).Skip("field"), Throws.InstanceOf<ProtocolException>().With.Property("Offset").EqualTo(2));
    }

    [Test]
    public void Kind_OfEachFirstByte_IsTheSpecificationsOverview()
    {
        for (var code = 0; code < 256; code++)
        {
            Assert.That(new MessagePackReader([(byte)code]).TryPeekKind(out var kind), Is.True);
            Assert.That(kind, Is.EqualTo(ExpectedKind(code)), $"0x{code:x2}");
        }

        Assert.That(new MessagePackReader([]).TryPeekKind(out _), Is.False);
    }

    [Test]
    public void EachRead_OfAnotherKind_SaysWhatItFoundAndStaysWhereItWas()
    {
        for (var code = 0; code < 256; code++)
        {
            // A value complete whatever the code: zeros make every length small enough.
            var bytes = new byte[64];
            bytes[0] = (byte)code;
            var kind = ExpectedKind(code);
            AssertKind(bytes, kind is MessagePackKind.Nil, (ref MessagePackReader r) => r.ReadNil());
            AssertKind(bytes, kind is MessagePackKind.Boolean, (ref MessagePackReader r) => r.ReadBoolean());
            AssertKind(bytes, kind is MessagePackKind.Integer, (ref MessagePackReader r) => r.ReadInt64());
            AssertKind(bytes, kind is MessagePackKind.Float, (ref MessagePackReader r) => r.ReadDouble());
            AssertKind(bytes, kind is MessagePackKind.String, (ref MessagePackReader r) => r.ReadString(100));
            AssertKind(bytes, kind is MessagePackKind.Binary, (ref MessagePackReader r) => r.ReadBinary());
            AssertKind(bytes, kind is MessagePackKind.Array, (ref MessagePackReader r) => r.ReadArrayHeader());
            AssertKind(bytes, kind is MessagePackKind.Map, (ref MessagePackReader r) => r.ReadMapHeader());
            AssertKind(bytes, kind is MessagePackKind.Extension, (ref MessagePackReader r) => r.ReadExtension(out _));
        }
    }

    private static MessagePackKind ExpectedKind(int code) => code switch
    {
        < 0x80 or >= 0xe0 => MessagePackKind.Integer,
        < 0x90 or 0xde or 0xdf => MessagePackKind.Map,
        < 0xa0 or 0xdc or 0xdd => MessagePackKind.Array,
        < 0xc0 or 0xd9 or 0xda or 0xdb => MessagePackKind.String,
        0xc0 => MessagePackKind.Nil,
        0xc1 => MessagePackKind.Reserved,
        0xc2 or 0xc3 => MessagePackKind.Boolean,
        0xc4 or 0xc5 or 0xc6 => MessagePackKind.Binary,
        0xc7 or 0xc8 or 0xc9 or 0xd4 or 0xd5 or 0xd6 or 0xd7 or 0xd8 => MessagePackKind.Extension,
        0xca or 0xcb => MessagePackKind.Float,
        _ => MessagePackKind.Integer,
    };

    private delegate void Reading(ref MessagePackReader reader);

    private static void AssertKind(byte[] bytes, bool isExpected, Reading read)
    {
        var reader = new MessagePackReader(bytes);
        try
        {
            read(ref reader);
            Assert.That(isExpected, Is.True, $"0x{bytes[0]:x2} was read");
            Assert.That(reader.Position, Is.GreaterThan(0));
        }
        catch (ProtocolException fault)
        {
            Assert.That(isExpected, Is.False, $"0x{bytes[0]:x2}: {fault.Message}");
            Assert.That(fault.Found, Does.Contain($"0x{bytes[0]:x2}"));
            Assert.That(fault.IsTruncated, Is.False);
            Assert.That(reader.Position, Is.Zero);
        }
    }

    private static void AssertTruncated(string hex, Reading read)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var reader = new MessagePackReader(Convert.FromHexString(hex), 1000);
        ProtocolException? fault = null;
        try
        {
            read(ref reader);
        }
        catch (ProtocolException caught)
        {
            fault = caught;
        }

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1 << 20));
        Assert.That(fault, Is.Not.Null);
        Assert.That((fault!.IsTruncated, fault.Offset, fault.Field), Is.EqualTo((true, 1000L, "name")));
        Assert.That(reader.Position, Is.Zero);
    }
}
