using VmRepl.Agent.Output;

namespace VmRepl.Agent.Tests.Output;

internal sealed class IsoTimeTests
{
    [Test]
    public void Format_OtherOffset_IsUtcWithMicroseconds() => Assert.That(
        IsoTime.Format(new DateTimeOffset(2026, 5, 1, 11, 30, 0, TimeSpan.FromHours(2)).AddTicks(1234567)), Is.EqualTo("2026-05-01T09:30:00.123456Z"));

    [Test]
    public void TryParse_WhatWasFormatted_IsTheSameMoment()
    {
        var time = new DateTimeOffset(2026, 5, 1, 9, 30, 0, TimeSpan.Zero).AddMicroseconds(7);
        Assert.That(IsoTime.TryParse(IsoTime.Format(time), out var read), Is.True);
        Assert.That(read, Is.EqualTo(time));
    }
}
