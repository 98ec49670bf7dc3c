using System.Text;
using VmRepl.Protocol.MessagePack;
using VmRepl.Protocol.Messages;

namespace VmRepl.Protocol.Tests.Messages;

public class MessageCodecTests
{
    [TestCaseSource(typeof(SampleMessages), nameof(SampleMessages.Cases))]
    public void Message_WrittenAndRead_IsTheSame(IMessage message)
    {
        var bytes = Encode(message);
        var read = MessageCodec.Read(bytes);
        Assert.That(read.Type, Is.EqualTo(message.Type));
        Assert.That(read.GetType(), Is.EqualTo(message.GetType()));
        // Every field takes part in the encoding, so equal bytes are equal messages.
        Assert.That(Encode(read), Is.EqualTo(bytes));
    }

    [Test]
    public void Samples_OfAllTypes_AreThere() =>
        Assert.That(SampleMessages.All.Select(message => message.Type).Distinct(), Is.EquivalentTo(Enum.GetValues<MessageType>()));

    [TestCaseSource(typeof(SampleMessages), nameof(SampleMessages.Cases))]
    public void Message_CutAtEachByte_IsRefused(IMessage message)
    {
        var bytes = Encode(message);
        for (var cut = 0; cut < bytes.Length; cut += cut < 300 || cut > bytes.Length - 50 ? 1 : 61)
            Assert.That(() => MessageCodec.Read(bytes.AsMemory(0, cut)), Throws.InstanceOf<ProtocolException>(), $"cut at {cut}");
        Assert.That(() => MessageCodec.Read((byte[])[.. bytes, 0xc0]), Throws.InstanceOf<ProtocolException>().With.Message.Contains("nothing more"));
    }

    [TestCaseSource(typeof(SampleMessages), nameof(SampleMessages.Cases))]
    public void Message_WithoutItsLastField_NamesTheFieldThatIsMissing(IMessage message)
    {
        var bytes = Encode(message);
        var reader = new MessagePackReader(bytes);
        // What came later may be missing (docs/protocol.md): the rate of a scrub, the runs of a list of points, what a source promises, its seeds and what it is a clone of, where a recovery range begins and ends.
        var fields = reader.ReadArrayHeader() - (message switch { Scrub or PointList => 1, OpenGroup => 4, ScrubState => 3, _ => 0 });
        for (var kept = 0; kept < fields; kept++)
        {
            var fewer = new MessagePackReader(bytes);
            fewer.ReadArrayHeader();
            for (var i = 0; i < kept; i++) fewer.Skip();
            byte[] shortened = [(byte)(0x90 + kept), .. bytes.AsSpan(1, fewer.Position - 1)];
            var fault = Assert.Throws<ProtocolException>(() => MessageCodec.Read(shortened), $"{kept} of {fields} fields")!;
            Assert.That(fault.Found, Is.EqualTo("the end of the message"));
            Assert.That(fault.Field, Is.Not.Empty);
        }
    }

    [Test]
    public void OpenGroup_OfAPeerThatPromisesNothing_SendsRounds()
    {
        var bytes = Encode(new OpenGroup("web", Guid.Empty, 7, [], true));
        // Without the word of nine bytes, the lease of one, the empty array of one and the nil.
        var read = (OpenGroup)MessageCodec.Read((byte[])[(byte)(bytes[0] - 4), .. bytes.AsSpan(1, bytes.Length - 13)]);
        Assert.That((read.AckMode, read.LeaseMs, read.Seeds.Length), Is.EqualTo((AckMode.Snapshot, 0u, 0)));
    }

    [Test]
    public void PointList_OfAPeerThatKnowsNoRuns_HasNone()
    {
        var bytes = Encode(new PointList("web", []));
        Assert.That(((PointList)MessageCodec.Read((byte[])[(byte)(bytes[0] - 1), .. bytes.AsSpan(1, bytes.Length - 2)])).Runs, Is.Empty);
    }

    [Test]
    public void Scrub_OfAPeerThatKnowsNoRate_HasNoLimit()
    {
        var bytes = Encode(new Scrub("web"));
        Assert.That(MessageCodec.Read((byte[])[(byte)(bytes[0] - 1), .. bytes.AsSpan(1, bytes.Length - 2)]), Is.EqualTo(new Scrub("web", 0)));
    }

    [TestCaseSource(typeof(SampleMessages), nameof(SampleMessages.Cases))]
    public void Message_WithFieldsOfANewerVersion_IsReadWithoutThem(IMessage message)
    {
        var bytes = Encode(message);
        byte[] longer = [(byte)(bytes[0] + 2), .. bytes.AsSpan(1), 0xa1, 0x78, 0x92, 0xc0, 0x80];
        Assert.That(Encode(MessageCodec.Read(longer)), Is.EqualTo(bytes));
    }

    [TestCaseSource(typeof(SampleMessages), nameof(SampleMessages.Cases))]
    public void Message_WithDamage_EndsInAMessageOrATypedError(IMessage message)
    {
        var bytes = Encode(message);
        var random = new Random(bytes.Length);
        for (var round = 0; round < 2000; round++)
        {
            var damaged = bytes.ToArray();
            for (var flips = random.Next(1, 4); flips > 0; flips--) damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            try
            {
                MessageCodec.Read(damaged);
            }
            catch (ProtocolException fault)
            {
                Assert.That(fault.Field, Is.Not.Empty, fault.Message);
            }
        }
    }

    [TestCase(0), TestCase(28), TestCase(255), TestCase(256), TestCase(1000)]
    public void Type_ThatIsNotKnown_IsRefused(int type)
    {
        using var writer = new MessagePackWriter();
        writer.WriteArrayHeader(1);
        writer.WriteInt32(type);
        Assert.That(() => MessageCodec.Read(writer.WrittenSpan.ToArray()), Throws.InstanceOf<ProtocolException>().With.Property("Field").EqualTo("message type"));
    }

    [Test]
    public void Messages_ReadByPython_AreArraysOfTypeAndFields()
    {
        ExternalTool.RequireModule("msgpack");
        using var writer = new MessagePackWriter();
        foreach (var message in SampleMessages.All) message.WriteTo(writer);
        const string script = """
            import sys, msgpack
            for m in msgpack.Unpacker(sys.stdin.buffer):
                print(m[0], len(m), m if m[0] in (1, 14, 21, 18) else '')
            """;
        var said = Encoding.UTF8.GetString(ExternalTool.Pipe(ExternalTool.Python, writer.WrittenSpan.ToArray(), ["-c", script])).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.That(said, Has.Length.EqualTo(SampleMessages.All.Length));
        Assert.That(said.Select(line => int.Parse(line.Split(' ')[0])), Is.EqualTo(SampleMessages.All.Select(message => (int)message.Type)));
        Assert.That(said[0], Is.EqualTo("1 7 [1, 1, 3, ['lanes', 'zstd'], b'\\x00\\x11\"3DUfw\\x88\\x99\\xaa\\xbb\\xcc\\xdd\\xee\\xff', 'vmrepl 0.1.0', 'replicate']"));
        Assert.That(said, Does.Contain("14 2 [14, 18446744073709551615]"));
        Assert.That(said, Does.Contain("21 5 [21, 1, 2, 0, 9223372036854775807]"));
        Assert.That(said, Does.Contain("18 4 [18, 'web', [[5, 1795000000000000, None, 'crash', None, None], [9, -1, 'before', 'application', 4096, 0]], [[5, 1795000000000000, 9, -1]]]"));
    }

    private static byte[] Encode(IMessage message)
    {
        using var writer = new MessagePackWriter();
        message.WriteTo(writer);
        return writer.WrittenSpan.ToArray();
    }
}
