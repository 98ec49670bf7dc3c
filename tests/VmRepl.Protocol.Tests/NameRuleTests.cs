using VmRepl.Protocol.Names;

namespace VmRepl.Protocol.Tests;

public class NameRuleTests
{
    [TestCase("a"), TestCase("0"), TestCase("Web-1_x.y"), TestCase("a..b"), TestCase("1234567890123456789012345678901234567890123456789012345678901234")]
    public void Name_ByTheRule_IsAName(string name) => Assert.That(NameRule.IsValid(name), Is.True);

    [TestCase(""), TestCase("."), TestCase(".."), TestCase("-a"), TestCase("_a"), TestCase("a b"), TestCase("a/b"), TestCase("a\\b"), TestCase("ä"), TestCase("a\0"), TestCase("a\n")]
    [TestCase("٣"), TestCase("12345678901234567890123456789012345678901234567890123456789012345")]
    public void Name_AgainstTheRule_IsNone(string name) => Assert.That(NameRule.IsValid(name), Is.False);

    [TestCase("latest", false), TestCase("Latest", false), TestCase("123", false), TestCase("0", false), TestCase("1a", true), TestCase("latest2", true), TestCase("", false), TestCase("1.5", true)]
    public void Bookmark_ThatCouldBeAnotherMoment_IsNone(string name, bool isBookmark) => Assert.That(NameRule.IsValidBookmark(name), Is.EqualTo(isBookmark));
}
