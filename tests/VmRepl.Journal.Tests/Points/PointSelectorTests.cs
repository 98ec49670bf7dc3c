using VmRepl.Journal.Points;
using VmRepl.Journal.Store;

namespace VmRepl.Journal.Tests.Points;

public class PointSelectorTests
{
    private static readonly RecoveryPoint[] Points =
    [
        new(10, Us("2026-01-01T00:00:00Z"), null, RecoveryPoint.Crash),
        new(20, Us("2026-01-01T01:00:00Z"), "before-upgrade", "application"),
        new(30, Us("2026-01-01T02:00:00Z"), null, RecoveryPoint.Crash),
    ];

    [TestCase("latest", 30ul)]
    [TestCase("20", 20ul)]
    [TestCase("before-upgrade", 20ul)]
    [TestCase("2026-01-01T01:59:59Z", 20ul)]
    [TestCase("2026-01-01T02:00:00", 30ul)]
    [TestCase("2026-01-01T03:00:00+02:00", 20ul)]
    [TestCase("2027-01-01", 30ul)]
    public void Find_WhatIsThere_IsFound(string at, ulong sequence) => Assert.That(PointSelector.Find("g", Points, at).Sequence, Is.EqualTo(sequence));

    [TestCase("21", "no recovery point")]
    [TestCase("nonesuch", "no bookmark named nonesuch")]
    [TestCase("2025-12-31T23:59:59Z", "at or before")]
    [TestCase("", "no recovery point")]
    [TestCase("Monday", "no bookmark")]
    public void Find_WhatIsNotThere_SaysWhy(string at, string reason) =>
        Assert.That(() => PointSelector.Find("g", Points, at), Throws.TypeOf<StoreException>().With.Message.Contains(reason));

    [Test]
    public void Find_NoPoints_SaysThatThereAreNone() =>
        Assert.That(() => PointSelector.Find("g", [], "latest"), Throws.TypeOf<StoreException>().With.Message.Contains("no recovery point yet"));

    private static long Us(string time) => (DateTimeOffset.Parse(time, System.Globalization.CultureInfo.InvariantCulture) - DateTimeOffset.UnixEpoch).Ticks / 10;
}
