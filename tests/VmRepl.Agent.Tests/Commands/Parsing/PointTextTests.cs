using VmRepl.Agent.Commands.Arguments;
using VmRepl.Agent.Commands.Parsing;

namespace VmRepl.Agent.Tests.Commands.Parsing;

internal sealed class PointTextTests
{
    private static readonly DateTimeOffset Morning = new(2026, 5, 1, 9, 30, 0, TimeSpan.Zero);

    [Test]
    public void TryParse_Latest_IsTheNewest() => Assert.That(Parse("latest"), Is.EqualTo(new PointChoice.Latest()));

    [Test]
    public void TryParse_Digits_AreASequence() => Assert.That(Parse("18446744073709551615"), Is.EqualTo(new PointChoice.AtSequence(ulong.MaxValue)));

    [Test]
    public void TryParse_Name_IsABookmark() => Assert.That(Parse("before-upgrade"), Is.EqualTo(new PointChoice.AtBookmark("before-upgrade")));

    [TestCase("2026-05-01T09:30:00Z")]
    [TestCase("2026-05-01T09:30:00")]
    [TestCase("2026-05-01T09:30:00.000000Z")]
    [TestCase("2026-05-01T11:30:00+02:00")]
    [TestCase("2026-05-01 09:30")]
    public void TryParse_Time_IsThatMomentInUtc(string text) => Assert.That(Parse(text), Is.EqualTo(new PointChoice.AtTime(Morning)));

    [Test]
    public void TryParse_NameThatIsADateToo_IsABookmarkWithThatMomentBesideIt() =>
        Assert.That(Parse("2026-05-01"), Is.EqualTo(new PointChoice.AtBookmark("2026-05-01", new DateTimeOffset(2026, 5, 1, 0, 0, 0, TimeSpan.Zero))));

    [TestCase("")]
    [TestCase("18446744073709551616")]
    [TestCase("a b")]
    [TestCase("-1")]
    [TestCase("2026-13-01T09:30:00Z")]
    public void TryParse_AnythingElse_IsRefused(string text)
    {
        Assert.That(PointText.TryParse(text, out _, out var problem), Is.False);
        Assert.That(problem, Does.Contain("--at"));
    }

    private static PointChoice Parse(string text)
    {
        Assert.That(PointText.TryParse(text, out var choice, out var problem), Is.True, problem);
        return choice!;
    }
}
