using FsCheck;
using FsCheck.Fluent;
using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Tests.MessagePack;

public class MessagePackRoundTripTests
{
    [Test]
    public void Integers_OfAnySize_ComeBack() => Prop.ForAll<long, int>((value, shift) =>
    {
        var narrowed = value >> (shift & 63);
        using var writer = new MessagePackWriter();
        writer.WriteInt64(narrowed);
        writer.WriteUInt64((ulong)narrowed);
        writer.WriteInt32((int)narrowed);
        writer.WriteUInt32((uint)narrowed);
        var reader = new MessagePackReader(writer.WrittenSpan);
        return reader.ReadInt64() == narrowed && reader.ReadUInt64() == (ulong)narrowed && reader.ReadInt32() == (int)narrowed
            && reader.ReadUInt32() == (uint)narrowed && reader.IsAtEnd;
    }).QuickCheckThrowOnFailure();

    [Test]
    public void Floats_OfAnyBits_ComeBack() => Prop.ForAll<double, float>((wide, narrow) =>
    {
        using var writer = new MessagePackWriter();
        writer.WriteDouble(wide);
        writer.WriteSingle(narrow);
        writer.WriteDouble(narrow);
        var reader = new MessagePackReader(writer.WrittenSpan);
        return BitConverter.DoubleToInt64Bits(reader.ReadDouble()) == BitConverter.DoubleToInt64Bits(wide)
            && BitConverter.SingleToInt32Bits(reader.ReadSingle()) == BitConverter.SingleToInt32Bits(narrow)
            && BitConverter.DoubleToInt64Bits(reader.ReadDouble()) == BitConverter.DoubleToInt64Bits(narrow);
    }).QuickCheckThrowOnFailure();

    [Test]
    public void Documents_OfAnyShape_ComeBackAndSkipToTheirEnd() => Prop.ForAll<int>(seed =>
    {
        var value = PackedValue.Random(new Random(seed), 4);
        using var writer = new MessagePackWriter(1);
        value.WriteTo(writer);
        var reader = new MessagePackReader(writer.WrittenSpan);
        var read = PackedValue.Read(ref reader);
        var skipper = new MessagePackReader(writer.WrittenSpan);
        skipper.Skip();
        return read == value && reader.IsAtEnd && skipper.IsAtEnd;
    }).QuickCheckThrowOnFailure();

    [Test]
    public void Document_CutAtEachByte_IsTruncatedAndNothingElse()
    {
        using var writer = new MessagePackWriter();
        var value = new PackedValue.Many(false, [.. Enumerable.Range(1, 12).Select(seed => PackedValue.Random(new Random(seed), 2))]);
        value.WriteTo(writer);
        var whole = writer.WrittenSpan.ToArray();
        Assert.That(whole, Has.Length.GreaterThan(1000));
        for (var cut = 0; cut < whole.Length; cut++)
        {
            var fault = Assert.Throws<ProtocolException>(() => new MessagePackReader(whole.AsSpan(0, cut)).Skip(), $"cut at {cut}")!;
            Assert.That(fault.IsTruncated, Is.True, $"cut at {cut}: {fault.Message}");
        }
    }

    [Test]
    public void Document_WithFlippedBits_EndsInAValueOrATypedError()
    {
        using var writer = new MessagePackWriter();
        PackedValue.Random(new Random(20), 4).WriteTo(writer);
        var whole = writer.WrittenSpan.ToArray();
        var random = new Random(7);
        var refused = 0;
        for (var round = 0; round < 20_000; round++)
        {
            var damaged = whole.ToArray();
            damaged[random.Next(Math.Min(damaged.Length, 4096))] ^= (byte)(1 << random.Next(8));
            try
            {
                var reader = new MessagePackReader(damaged);
                PackedValue.Read(ref reader);
                reader.ExpectEnd();
            }
            catch (ProtocolException)
            {
                refused++;
            }
        }

        Assert.That(refused, Is.GreaterThan(100));
    }

    [Test]
    public void Writer_ResetToASmallerBuffer_WritesAsBefore()
    {
        using var writer = new MessagePackWriter(16);
        writer.WriteBinary(new byte[1 << 20]);
        writer.Reset(4096);
        writer.WriteInt32(300);
        Assert.That(writer.WrittenSpan.ToArray(), Is.EqualTo(new byte[] { 0xcd, 0x01, 0x2c }));
    }
}
