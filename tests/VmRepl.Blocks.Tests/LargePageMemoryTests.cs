namespace VmRepl.Blocks.Tests;

public class LargePageMemoryTests
{
    [TestCase(1)]
    [TestCase(4096 + 1)]
    [TestCase(LargePageMemory.LargePageBytes)]
    [TestCase((3 * LargePageMemory.LargePageBytes) + 17)]
    public void Bytes_OfAnyLength_AreZerosAndKeepWhatIsWritten(int length)
    {
        using var memory = LargePageMemory.TryMake(length)!;
        Assert.That(memory.Bytes.Length, Is.EqualTo(length));
        Assert.That(Sectors.IsZero(memory.Bytes), Is.True);

        new Random(length).NextBytes(memory.Bytes);

        var expected = new byte[length];
        new Random(length).NextBytes(expected);
        Assert.That(memory.Bytes.SequenceEqual(expected), Is.True);
    }

    [Test]
    public void Dispose_MemoryThatIsStillReferredTo_ReadsAsZeros()
    {
        Assume.That(OperatingSystem.IsLinux());
        var memory = LargePageMemory.TryMake(LargePageMemory.LargePageBytes)!;
        memory.Bytes.Fill(0x5A);

        memory.Dispose();

        Assert.That(Sectors.IsZero(memory.Bytes), Is.True);
    }

    [Test]
    public void TryMake_LargePages_AreAlignedToOne()
    {
        Assume.That(OperatingSystem.IsLinux());
        using var memory = LargePageMemory.TryMake(2 * LargePageMemory.LargePageBytes)!;

        Assert.That(AddressOf(memory) % LargePageMemory.LargePageBytes, Is.Zero);

        static unsafe long AddressOf(LargePageMemory memory)
        {
            fixed (byte* first = memory.Bytes) return (long)first;
        }
    }

    [TestCase(0)]
    [TestCase(-1)]
    public void TryMake_NoBytes_Throws(int length) => Assert.That(() => LargePageMemory.TryMake(length), Throws.TypeOf<ArgumentOutOfRangeException>());
}
