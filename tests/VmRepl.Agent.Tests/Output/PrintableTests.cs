using VmRepl.Agent.Output;

namespace VmRepl.Agent.Tests.Output;

internal sealed class PrintableTests
{
    [TestCase("plain äöü 漢字", "plain äöü 漢字")]
    [TestCase("\e[31mred", @"\x1b[31mred")]
    [TestCase("a\nb\tc\r", @"a\x0ab\x09c\x0d")]
    [TestCase("\u009b2J", @"\x9b2J")]
    [TestCase("\u202Egnp.exe", @"\u202egnp.exe")]
    [TestCase("a\u2028b", @"a\u2028b")]
    public void Line_Text_HasNoControlCharacters(string text, string expected) => Assert.That(Printable.Line(text), Is.EqualTo(expected));

    [Test]
    public void Lines_LineEnds_AreKept() => Assert.That(Printable.Lines("a\nb\a"), Is.EqualTo("a\nb\\x07"));
}
