using VmRepl.Agent.Output;

namespace VmRepl.Agent.Tests.Output;

internal sealed class QuantitiesTests
{
    [TestCase(0, "0 B")]
    [TestCase(1, "1 B")]
    [TestCase(1023, "1023 B")]
    [TestCase(1024, "1 KiB")]
    [TestCase(1536, "1.5 KiB")]
    [TestCase(12_897_485, "12.3 MiB")]
    [TestCase(1048575, "1 MiB")]
    [TestCase(2147483648, "2 GiB")]
    [TestCase(209715200, "200 MiB")]
    [TestCase(long.MaxValue, "8 EiB")]
    [TestCase(-1024, "-1 KiB")]
    [TestCase(long.MinValue, "-8 EiB")]
    public void Size_Bytes_AreReadable(long bytes, string expected) => Assert.That(Quantities.Size(bytes), Is.EqualTo(expected));

    [TestCase(0, "0.00 s")]
    [TestCase(1.234, "1.23 s")]
    [TestCase(9.999, "10.0 s")]
    [TestCase(59.96, "1 min 00 s")]
    [TestCase(185, "3 min 05 s")]
    [TestCase(3599.6, "1 h 00 min")]
    [TestCase(7620, "2 h 07 min")]
    [TestCase(273600, "3 d 04 h")]
    public void Duration_Seconds_AreReadable(double seconds, string expected) => Assert.That(Quantities.Duration(TimeSpan.FromSeconds(seconds)), Is.EqualTo(expected));

    [Test]
    public void Rate_Absurd_StaysReadable() => Assert.That(new[] { Quantities.Rate(double.PositiveInfinity), Quantities.Rate(-5) }, Is.EqualTo(new[] { "888 PiB/s", "0 B/s" }));
}
