using System.Diagnostics;
using VmRepl.Blocks.Files;
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
    public void Requests_ThatWorkAndWaitALittle_AreQuick()
    {
        var pace = new Pace();
        Note(pace, 50, 40, waits: true, waitedUs: 5);
        Assert.That(pace.IsQuick(), Is.True, "a lock that another thread had");
        Note(pace, 50, 40, waits: true, waitedUs: 30);
        Assert.That(pace.IsQuick(), Is.False, "a device that made it wait");
    }

    [Test]
    public void Requests_OfWhichTheSystemDoesNotTell_CountWhole()
    {
        var pace = new Pace();
        for (var i = 0; i < 50; i++) pace.NoteInTurn(Long * Stopwatch.Frequency / 1_000_000, 0, ThreadUse.Unknown, ThreadUse.Unknown);
        Assert.That(pace.IsQuick(), Is.False);
    }

    [Test]
    public void Request_ThatStoodStill_IsNotQuick()
    {
        var pace = new Pace();
        Note(pace, 50, Short);
        pace.NoteStall();
        Assert.That(pace.IsQuick(), Is.False);
    }

    private static void Note(Pace pace, int count, long us, bool waits = false, long waitedUs = Long)
    {
        for (var i = 0; i < count; i++)
        {
            pace.NoteInTurn(us * Stopwatch.Frequency / 1_000_000, 0, new ThreadUse(3, 1000), new ThreadUse(waits ? 4 : 3, 1000 + us - waitedUs));
        }
    }
}
