using System.Text;
using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Tests.MessagePack;

/// <summary>python3-msgpack as the referee, both ways.</summary>
public class MessagePackPythonTests
{

    // Python unpacks and packs again; a double that fits is written short by us, so Python is told its kind by a comparison of values.
    private const string Repack = """
        import sys, msgpack
        count = 0
        for value in msgpack.Unpacker(sys.stdin.buffer, strict_map_key=False, timestamp=0, max_buffer_size=1 << 28, ext_hook=msgpack.ExtType):
            sys.stdout.buffer.write(msgpack.packb(value, use_bin_type=True))
            count += 1
        sys.stderr.write(str(count))
        """;

    [OneTimeSetUp]
    public void RequirePython() => ExternalTool.RequireModule("msgpack");

    [Test]
    public void Documents_UnpackedAndPackedByPython_AreTheSameDocuments()
    {
        var values = Enumerable.Range(0, 300).Select(seed => PackedValue.Random(new Random(seed), 4)).ToArray();
        using var writer = new MessagePackWriter();
        foreach (var value in values) value.WriteTo(writer);

        var repacked = ExternalTool.Pipe(ExternalTool.Python, writer.WrittenSpan.ToArray(), ["-c", Repack]);

        var reader = new MessagePackReader(repacked);
        foreach (var value in values)
            Assert.That(PackedValue.Read(ref reader), Is.EqualTo(value));
        Assert.That(reader.IsAtEnd, Is.True);
    }

    [Test]
    public void Documents_WithoutFloats_ArePythonsBytesExactly()
    {
        using var writer = new MessagePackWriter();
        foreach (var shift in Enumerable.Range(0, 64))
        {
            writer.WriteInt64(long.MinValue >> shift);
            writer.WriteUInt64(ulong.MaxValue >> shift);
            writer.WriteInt64(long.MaxValue >> shift);
        }

        foreach (var length in new[] { 0, 31, 32, 255, 256, 65535, 65536 })
        {
            writer.WriteString(new string('s', length));
            writer.WriteBinary(new byte[length]);
            writer.WriteExtension(3, new byte[length]);
            writer.WriteArrayHeader(length);
            for (var i = 0; i < length; i++) writer.WriteBoolean(i % 2 == 0);
            writer.WriteMapHeader(length);
            for (var i = 0; i < 2 * length; i++) writer.WriteInt32(i);
        }

        writer.WriteNil();
        Assert.That(ExternalTool.Pipe(ExternalTool.Python, writer.WrittenSpan.ToArray(), ["-c", Repack]), Is.EqualTo(writer.WrittenSpan.ToArray()));
    }

    [Test]
    public void Timestamps_ReadByPython_AreTheSameMoments()
    {
        var moments = new MessagePackTimestamp[] { new(0, 0), new(1, 1), new(uint.MaxValue, 0), new(4294967296, 5), new(17179869184, 999_999_999), new(-1, 500_000_000), new(-62135596800, 0) };
        using var writer = new MessagePackWriter();
        foreach (var moment in moments) writer.WriteTimestamp(moment);
        const string script = """
            import sys, msgpack
            for value in msgpack.Unpacker(sys.stdin.buffer, timestamp=0):
                sys.stdout.write(f'{value.seconds}.{value.nanoseconds}\n')
            """;
        var said = Encoding.ASCII.GetString(ExternalTool.Pipe(ExternalTool.Python, writer.WrittenSpan.ToArray(), ["-c", script]));
        Assert.That(said.Split('\n', StringSplitOptions.RemoveEmptyEntries), Is.EqualTo(moments.Select(moment => $"{moment.Seconds}.{moment.Nanoseconds}")));
    }

    [Test]
    public void Timestamps_PackedByPython_AreRead()
    {
        const string script = """
            import sys, msgpack
            for s, n in ((0, 0), (1, 1), (4294967296, 5), (-1, 500000000)):
                sys.stdout.buffer.write(msgpack.packb(msgpack.Timestamp(s, n)))
            """;
        var reader = new MessagePackReader(ExternalTool.Pipe(ExternalTool.Python, [], ["-c", script]));
        foreach (var expected in new MessagePackTimestamp[] { new(0, 0), new(1, 1), new(4294967296, 5), new(-1, 500_000_000) })
            Assert.That(reader.ReadTimestamp(), Is.EqualTo(expected));
    }
}
