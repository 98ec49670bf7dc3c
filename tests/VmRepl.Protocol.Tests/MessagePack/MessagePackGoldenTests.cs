using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Tests.MessagePack;

/// <summary>The bytes of each format, written out by hand from the specification.</summary>
public class MessagePackGoldenTests
{
    private static readonly (long Value, string Hex)[] Integers =
    [
        (0, "00"), (1, "01"), (127, "7f"), (128, "cc80"), (255, "ccff"), (256, "cd0100"), (65535, "cdffff"), (65536, "ce00010000"),
        (4294967295, "ceffffffff"), (4294967296, "cf0000000100000000"), (long.MaxValue, "cf7fffffffffffffff"),
        (-1, "ff"), (-32, "e0"), (-33, "d0df"), (-128, "d080"), (-129, "d1ff7f"), (-32768, "d18000"), (-32769, "d2ffff7fff"),
        (int.MinValue, "d280000000"), (int.MinValue - 1L, "d3ffffffff7fffffff"), (long.MinValue, "d38000000000000000"),
    ];

    [TestCaseSource(nameof(Integers))]
    public void Integer_Written_TakesTheSmallestForm((long Value, string Hex) golden)
    {
        Assert.That(Written(w => w.WriteInt64(golden.Value)), Is.EqualTo(golden.Hex));
        var reader = new MessagePackReader(Convert.FromHexString(golden.Hex));
        Assert.That(reader.ReadInt64(), Is.EqualTo(golden.Value));
        Assert.That(reader.IsAtEnd, Is.True);
    }

    [Test]
    public void UInt64_LargestValue_IsReadOnlyWithoutASign()
    {
        var bytes = Convert.FromHexString("cfffffffffffffffff");
        Assert.That(Written(w => w.WriteUInt64(ulong.MaxValue)), Is.EqualTo("cfffffffffffffffff"));
        Assert.That(new MessagePackReader(bytes).ReadUInt64(), Is.EqualTo(ulong.MaxValue));
        Assert.That(() => new MessagePackReader(bytes).ReadInt64("size"), Throws.InstanceOf<ProtocolException>().With.Message.Contains("18446744073709551615"));
        Assert.That(() => new MessagePackReader(bytes).ReadInt32(), Throws.InstanceOf<ProtocolException>());
        Assert.That(() => new MessagePackReader(bytes).ReadUInt32(), Throws.InstanceOf<ProtocolException>());
    }

    // The specification lets a writer take a wider form than it needs; a reader takes them all.
    [TestCase("cc05"), TestCase("cd0005"), TestCase("ce00000005"), TestCase("cf0000000000000005")]
    [TestCase("d005"), TestCase("d10005"), TestCase("d200000005"), TestCase("d30000000000000005"), TestCase("05")]
    public void Integer_InAnyForm_IsTheSameNumber(string hex)
    {
        var bytes = Convert.FromHexString(hex);
        Assert.That(new MessagePackReader(bytes).ReadInt64(), Is.EqualTo(5));
        Assert.That(new MessagePackReader(bytes).ReadUInt64(), Is.EqualTo(5));
        Assert.That(new MessagePackReader(bytes).ReadInt32(), Is.EqualTo(5));
        Assert.That(new MessagePackReader(bytes).ReadUInt32(), Is.EqualTo(5));
    }

    [TestCase("ff"), TestCase("d0ff"), TestCase("d1ffff"), TestCase("d2ffffffff"), TestCase("d3ffffffffffffffff")]
    public void Integer_Negative_IsRefusedWhereNoSignBelongs(string hex)
    {
        var bytes = Convert.FromHexString(hex);
        Assert.That(new MessagePackReader(bytes).ReadInt32(), Is.EqualTo(-1));
        Assert.That(() => new MessagePackReader(bytes).ReadUInt64("sequence"), Throws.InstanceOf<ProtocolException>().With.Property("Field").EqualTo("sequence"));
        Assert.That(() => new MessagePackReader(bytes).ReadUInt32(), Throws.InstanceOf<ProtocolException>());
    }

    [Test]
    public void NilBooleansAndFloats_Written_AreTheSpecificationsBytes()
    {
        Assert.That(Written(w => w.WriteNil()), Is.EqualTo("c0"));
        Assert.That(Written(w => w.WriteBoolean(false)), Is.EqualTo("c2"));
        Assert.That(Written(w => w.WriteBoolean(true)), Is.EqualTo("c3"));
        Assert.That(Written(w => w.WriteSingle(1.5f)), Is.EqualTo("ca3fc00000"));
        Assert.That(Written(w => w.WriteDouble(1.5)), Is.EqualTo("ca3fc00000"), "1.5 is as good in four bytes");
        Assert.That(Written(w => w.WriteDouble(1.1)), Is.EqualTo("cb3ff199999999999a"));
        Assert.That(Written(w => w.WriteFixedUInt32(7)), Is.EqualTo("ce00000007"));
    }

    [TestCase(0, "c400"), TestCase(255, "c4ff"), TestCase(256, "c50100"), TestCase(65535, "c5ffff"), TestCase(65536, "c600010000")]
    public void Binary_Written_HasTheSmallestHead(int length, string head)
    {
        var contents = Pattern(length);
        var hex = Written(w => w.WriteBinary(contents));
        Assert.That(hex, Is.EqualTo(head + Convert.ToHexStringLower(contents)));
        Assert.That(new MessagePackReader(Convert.FromHexString(hex)).ReadBinary().ToArray(), Is.EqualTo(contents));
    }

    [Test]
    public void Binary32Header_SmallLength_StillTakesFiveBytes() => Assert.That(Written(w => w.WriteBinary32Header(3)), Is.EqualTo("c600000003"));

    [TestCase(0, "a0"), TestCase(31, "bf"), TestCase(32, "d920"), TestCase(255, "d9ff"), TestCase(256, "da0100"), TestCase(65535, "daffff"), TestCase(65536, "db00010000")]
    public void String_Written_HasTheSmallestHead(int length, string head)
    {
        var text = new string('x', length);
        var hex = Written(w => w.WriteString(text));
        Assert.That(hex, Is.EqualTo(head + string.Concat(Enumerable.Repeat("78", length))));
        Assert.That(new MessagePackReader(Convert.FromHexString(hex)).ReadString(65536), Is.EqualTo(text));
    }

    [TestCase(0, "90"), TestCase(15, "9f"), TestCase(16, "dc0010"), TestCase(65535, "dcffff"), TestCase(65536, "dd00010000")]
    public void Array_Written_HasTheSmallestHead(int count, string head)
    {
        var hex = Written(w =>
        {
            w.WriteArrayHeader(count);
            for (var i = 0; i < count; i++) w.WriteNil();
        });
        Assert.That(hex, Does.StartWith(head).And.Length.EqualTo(head.Length + (2 * count)));
        Assert.That(new MessagePackReader(Convert.FromHexString(hex)).ReadArrayHeader(), Is.EqualTo(count));
    }

    [TestCase(0, "80"), TestCase(15, "8f"), TestCase(16, "de0010"), TestCase(65535, "deffff"), TestCase(65536, "df00010000")]
    public void Map_Written_HasTheSmallestHead(int count, string head)
    {
        var hex = Written(w =>
        {
            w.WriteMapHeader(count);
            for (var i = 0; i < 2 * count; i++) w.WriteNil();
        });
        Assert.That(hex, Does.StartWith(head).And.Length.EqualTo(head.Length + (4 * count)));
        Assert.That(new MessagePackReader(Convert.FromHexString(hex)).ReadMapHeader(), Is.EqualTo(count));
    }

    [TestCase(0, "c700"), TestCase(1, "d4"), TestCase(2, "d5"), TestCase(3, "c703"), TestCase(4, "d6"), TestCase(8, "d7"), TestCase(16, "d8")]
    [TestCase(255, "c7ff"), TestCase(256, "c80100"), TestCase(65535, "c8ffff"), TestCase(65536, "c900010000")]
    public void Extension_Written_HasTheSmallestHead(int length, string head)
    {
        var contents = Pattern(length);
        var hex = Written(w => w.WriteExtension(-5, contents));
        Assert.That(hex, Is.EqualTo(head + "fb" + Convert.ToHexStringLower(contents)));
        var read = new MessagePackReader(Convert.FromHexString(hex)).ReadExtension(out var type).ToArray();
        Assert.That((type, read), Is.EqualTo(((sbyte)-5, contents)));
    }

    [TestCase(0L, 0u, "d6ff00000000")]
    [TestCase(uint.MaxValue, 0u, "d6ffffffffff")]
    [TestCase(4294967296L, 0u, "d7ff0000000100000000")]
    [TestCase(1L, 1u, "d7ff0000000400000001")]
    [TestCase(17179869183L, 999999999u, "d7ffee6b27ffffffffff")]
    [TestCase(17179869184L, 0u, "c70cff000000000000000400000000")]
    [TestCase(-1L, 999999999u, "c70cff3b9ac9ffffffffffffffffff")]
    public void Timestamp_Written_TakesTheSmallestOfItsThreeForms(long seconds, uint nanoseconds, string hex)
    {
        var value = new MessagePackTimestamp(seconds, nanoseconds);
        Assert.That(Written(w => w.WriteTimestamp(value)), Is.EqualTo(hex));
        Assert.That(new MessagePackReader(Convert.FromHexString(hex)).ReadTimestamp(), Is.EqualTo(value));
    }

    [TestCase("d7ffee6b280000000000", TestName = "Timestamp_ABillionNanoseconds_IsRefused")]
    [TestCase("d7feee6b27ff00000000", TestName = "Timestamp_OfAnotherType_IsRefused")]
    [TestCase("d4ff00", TestName = "Timestamp_OfOneByte_IsRefused")]
    [TestCase("c70cffffffffff0000000000000000", TestName = "Timestamp96_TooManyNanoseconds_IsRefused")]
    public void Timestamp_Malformed_IsRefused(string hex)
    {
        var reader = new MessagePackReader(Convert.FromHexString(hex));
        ProtocolException? fault = null;
        try
        {
            reader.ReadTimestamp("taken");
        }
        catch (ProtocolException caught)
        {
            fault = caught;
        }

        Assert.That(fault, Is.Not.Null);
        Assert.That(fault!.Field, Is.EqualTo("taken"));
        Assert.That(reader.Position, Is.Zero);
    }

    private static byte[] Pattern(int length)
    {
        var bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        return bytes;
    }

    private static string Written(Action<MessagePackWriter> write)
    {
        using var writer = new MessagePackWriter(1);
        write(writer);
        return Convert.ToHexStringLower(writer.WrittenSpan);
    }
}
