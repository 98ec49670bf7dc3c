using System.Text;

namespace VmRepl.Blocks.Tests;

[TestFixture]
public class Crc32CTests
{
    [Test]
    public void Compute_TheCheckOfTheCatalogue_IsE3069283() => Assert.That(Crc32C.Compute(Encoding.ASCII.GetBytes("123456789")), Is.EqualTo(0xE3069283u));

    [Test]
    public void Compute_Nothing_IsZero() => Assert.That(Crc32C.Compute([]), Is.Zero);

    // RFC 3720, appendix B.4; the RFC prints each value as its bytes lie on the wire, the lowest first.
    [Test]
    public void Compute_TheExamplesOfTheRfc_Agree()
    {
        var rising = Enumerable.Range(0, 32).Select(i => (byte)i).ToArray();
        Assert.That(Crc32C.Compute(new byte[32]), Is.EqualTo(0x8A9136AAu), "32 bytes of zeros");
        Assert.That(Crc32C.Compute(Enumerable.Repeat((byte)0xFF, 32).ToArray()), Is.EqualTo(0x62A8AB43u), "32 bytes of ones");
        Assert.That(Crc32C.Compute(rising), Is.EqualTo(0x46DD794Eu), "0 to 31");
        Assert.That(Crc32C.Compute(rising.Reverse().ToArray()), Is.EqualTo(0x113FDB5Cu), "31 to 0");
        byte[] command =
        [
            0x01, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 0x04, 0,
            0, 0, 0, 0x14, 0, 0, 0, 0x18, 0x28, 0, 0, 0, 0, 0, 0, 0, 0x02, 0, 0, 0, 0, 0, 0, 0,
        ];
        Assert.That(Crc32C.Compute(command), Is.EqualTo(0xD9963A56u), "an iSCSI read command");
    }

    [Test]
    public void Compute_AnyLengthAndAlignment_AgreesWithTheDefinition()
    {
        var data = new byte[300];
        new Random(7).NextBytes(data);
        for (var start = 0; start < 9; start++)
            for (var length = 0; length < 40; length++)
                Assert.That(Crc32C.Compute(data.AsSpan(start, length)), Is.EqualTo(BitByBit(data.AsSpan(start, length))), $"{length} bytes at {start}");
    }

    // Long runs are computed in three lanes of 1360 bytes.
    [Test]
    public void Compute_LengthsAroundTheLanes_AgreesWithTheDefinition([Values(0, 1, 3)] int start, [Values(1, 2, 3)] int turns)
    {
        var data = new byte[(3 * 4080) + 64];
        new Random(9).NextBytes(data);
        for (var length = (turns * 4080) - 17; length <= (turns * 4080) + 24; length++)
            Assert.That(Crc32C.Compute(data.AsSpan(start, length)), Is.EqualTo(BitByBit(data.AsSpan(start, length))), $"{length} bytes at {start}");
    }

    // Where the processor has it, data from 512 bytes on is folded in steps of 256.
    [Test]
    public void Compute_LengthsAroundTheSteps_AgreesWithTheDefinition([Values(0, 1, 3)] int start)
    {
        var data = new byte[2100];
        new Random(11).NextBytes(data);
        for (var length = 480; length <= 2090; length++)
            Assert.That(Crc32C.Compute(data.AsSpan(start, length)), Is.EqualTo(BitByBit(data.AsSpan(start, length))), $"{length} bytes at {start}");
    }

    [Test]
    public void Append_CutAnywhereInLongData_IsTheSame()
    {
        var data = new byte[9000];
        new Random(10).NextBytes(data);
        var whole = BitByBit(data);
        for (var cut = 0; cut <= data.Length; cut += 7)
            Assert.That(Crc32C.Append(Crc32C.Compute(data.AsSpan(0, cut)), data.AsSpan(cut)), Is.EqualTo(whole), $"cut at {cut}");
    }

    [Test]
    public void Append_CutAnywhere_IsTheSame()
    {
        var data = new byte[100];
        new Random(8).NextBytes(data);
        var whole = Crc32C.Compute(data);
        for (var cut = 0; cut <= data.Length; cut++)
            Assert.That(Crc32C.Append(Crc32C.Compute(data.AsSpan(0, cut)), data.AsSpan(cut)), Is.EqualTo(whole), $"cut at {cut}");
    }

    private static uint BitByBit(ReadOnlySpan<byte> data)
    {
        var state = uint.MaxValue;
        foreach (var single in data)
        {
            state ^= single;
            for (var bit = 0; bit < 8; bit++) state = (state & 1) != 0 ? (state >> 1) ^ 0x82F63B78 : state >> 1;
        }

        return ~state;
    }
}
