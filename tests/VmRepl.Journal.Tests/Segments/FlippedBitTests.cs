using VmRepl.Blocks;
using VmRepl.Journal.Segments;

namespace VmRepl.Journal.Tests.Segments;

public class FlippedBitTests
{
    [TestCase(1)]
    [TestCase(40)]
    [TestCase(651)]
    public void Mend_AnyOneBit_PutsItBack(int length)
    {
        var text = new byte[length];
        new Random(length).NextBytes(text);
        var right = Crc32C.Compute(text);
        for (var bit = 0; bit < 8 * (length + sizeof(uint)); bit++)
        {
            var (bytes, checksum) = Flip(text, right, bit);
            Assert.That(FlippedBit.Mend(bytes, ref checksum), Is.EqualTo(Math.Min(length, bit / 8)), $"bit {bit}");
            Assert.That(bytes, Is.EqualTo(text));
            Assert.That(checksum, Is.EqualTo(right));
        }
    }

    /// <summary>655 bytes with the checksum: two that verify differ in six bits.</summary>
    [Test]
    public void Mend_TwoToFourBits_ChangesNothing([Values(2, 3, 4)] int bits)
    {
        var random = new Random(bits);
        var text = new byte[651];
        random.NextBytes(text);
        for (var i = 0; i < 3000; i++)
        {
            var length = random.Next(1, text.Length + 1);
            var right = Crc32C.Compute(text.AsSpan(0, length));
            var (bytes, checksum) = Flip(text[..length], right, [.. Enumerable.Range(0, int.MaxValue).Select(_ => random.Next(8 * (length + sizeof(uint)))).Distinct().Take(bits)]);
            var (before, said) = (bytes.ToArray(), checksum);
            Assert.That(FlippedBit.Mend(bytes, ref checksum), Is.EqualTo(-1));
            Assert.That(bytes, Is.EqualTo(before));
            Assert.That(checksum, Is.EqualTo(said));
        }
    }

    [Test]
    public void Mend_WhatVerifies_ChangesNothing()
    {
        byte[] bytes = [1, 2, 3];
        var checksum = Crc32C.Compute(bytes);
        Assert.That(FlippedBit.Mend(bytes, ref checksum), Is.EqualTo(-1));
    }

    private static (byte[] Bytes, uint Checksum) Flip(byte[] text, uint checksum, params int[] bits)
    {
        var bytes = (byte[])text.Clone();
        foreach (var bit in bits)
        {
            if (bit < 8 * bytes.Length) bytes[bit / 8] ^= (byte)(1 << (bit % 8));
            else checksum ^= 1u << (bit - (8 * bytes.Length));
        }

        return (bytes, checksum);
    }
}
