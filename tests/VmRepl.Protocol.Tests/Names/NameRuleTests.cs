using VmRepl.Protocol.Names;

namespace VmRepl.Protocol.Tests.Names;

internal sealed class NameRuleTests
{
    [TestCase("a")]
    [TestCase("0")]
    [TestCase("web1.example_x-2")]
    [TestCase("a234567890123456789012345678901234567890123456789012345678901234")]
    public void IsValid_NameByTheRule_IsTrue(string name) => Assert.That(NameRule.IsValid(name), Is.True);

    [TestCase(null)]
    [TestCase("")]
    [TestCase(".")]
    [TestCase("..")]
    [TestCase(".a")]
    [TestCase("-a")]
    [TestCase("_a")]
    [TestCase("a/b")]
    [TestCase("a\\b")]
    [TestCase("a b")]
    [TestCase("a\n")]
    [TestCase("a\0")]
    [TestCase("é")]
    [TestCase("aé")]
    [TestCase("a١")]
    [TestCase("a2345678901234567890123456789012345678901234567890123456789012345")]
    public void IsValid_AnythingElse_IsFalse(string? name) => Assert.That(NameRule.IsValid(name), Is.False);

    [TestCase("r1", true)]
    [TestCase("latest-1", true)]
    [TestCase("2026-05-01", true)]
    [TestCase("latest", false)]
    [TestCase("Latest", true)]
    [TestCase("123", false)]
    [TestCase("0", false)]
    [TestCase("", false)]
    [TestCase("a/b", false)]
    public void IsValidBookmark_Name_IsNeverTakenForLatestOrASequence(string name, bool expected) => Assert.That(NameRule.IsValidBookmark(name), Is.EqualTo(expected));
}
