using VmRepl.Agent.Commands.Parsing;

namespace VmRepl.Agent.Tests.Commands.Parsing;

internal sealed class QuantityTextTests
{
    [TestCase("0", 0)]
    [TestCase("4096", 4096)]
    [TestCase("4096B", 4096)]
    [TestCase("8M", 8L << 20)]
    [TestCase("8MiB", 8L << 20)]
    [TestCase("20GiB", 20L << 30)]
    [TestCase("3T", 3L << 40)]
    [TestCase("9223372036854775807", long.MaxValue)]
    public void Size_AsPeopleWriteIt_IsRead(string text, long bytes)
    {
        Assert.That(QuantityText.TrySize(text, out var found), Is.True);
        Assert.That(found, Is.EqualTo(bytes));
    }

    [TestCase("")]
    [TestCase("GiB")]
    [TestCase("-1")]
    [TestCase("1.5GiB")]
    [TestCase("8MB")]
    [TestCase("8 MiB")]
    [TestCase("iB")]
    [TestCase("1iB")]
    [TestCase("9223372036854775808")]
    [TestCase("9007199254740992T")]
    public void Size_AnythingElse_IsNone(string text) => Assert.That(QuantityText.TrySize(text, out _), Is.False);

    [TestCase("90s", 90)]
    [TestCase("30min", 1800)]
    [TestCase("12h", 43_200)]
    [TestCase("14d", 1_209_600)]
    [TestCase("2w", 1_209_600)]
    public void Span_AsPeopleWriteIt_IsRead(string text, double seconds)
    {
        Assert.That(QuantityText.TrySpan(text, out var found), Is.True);
        Assert.That(found.TotalSeconds, Is.EqualTo(seconds));
    }

    [TestCase("")]
    [TestCase("14")]
    [TestCase("d")]
    [TestCase("1.5d")]
    [TestCase("-1d")]
    [TestCase("5m")]
    [TestCase("2147483647w")]
    public void Span_AnythingElse_IsNone(string text) => Assert.That(QuantityText.TrySpan(text, out _), Is.False);
}
