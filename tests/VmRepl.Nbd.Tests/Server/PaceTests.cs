using System.Diagnostics;
using VmRepl.Nbd.Server;

namespace VmRepl.Nbd.Tests.Server;

/// <summary>When a connection's requests are carried out where they are received.</summary>
[TestFixture]
[Platform("Linux")]
public class PaceTests
{
    private const long Long = 60, Short = 5;

    [Test]
    public void Requests_ThatWorkAndDoNotWait_AreQuickForTwiceAsLong()
    {
        var pace = new Pace();
        Note(pace, 50, Long);
        Assert.That(pace.IsQuick(), Is.True);
        Note(pace, 50, Long * 2);
        Assert.That(pace.IsQuick(), Is.False, "what works for so long is work for another thread");
    }

    [Test]
    public void Requests_ThatWait_AreHandedOut_AndEach64thIsTried()
    {
        var pace = new Pace();
        Note(pace, 50, Long, waits: true);
        Assert.That(Enumerable.Range(0, 128).Count(_ => pace.IsQuick()), Is.EqualTo(2));

        Note(pace, 1, Long);
        Assert.That(pace.IsQuick(), Is.True, "alone it did not wait: the others made it");
        Note(pace, 50, Short);
        Assert.That(pace.IsQuick(), Is.True);
    }

    [Test]
    public void Request_ThatStoodStill_IsNotQuick()
    {
        var pace = new Pace();
        Note(pace, 50, Short);
        pace.NoteStall();
        Assert.That(pace.IsQuick(), Is.False);
    }

    private static void Note(Pace pace, int count, long us, bool waits = false)
    {
        for (var i = 0; i < count; i++)
        {
            var before = pace.Waits();
            if (waits) Thread.Sleep(1);
            pace.NoteInTurn(us * Stopwatch.Frequency / 1_000_000, 0, before);
        }
    }
}
