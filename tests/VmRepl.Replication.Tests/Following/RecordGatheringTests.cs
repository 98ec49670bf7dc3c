using VmRepl.Replication.Source.Following;
using VmRepl.Replication.Tests.Tracking;

namespace VmRepl.Replication.Tests.Following;

[Parallelizable(ParallelScope.All)]
public class RecordGatheringTests
{
    private static readonly TimeSpan Longest = TimeSpan.FromMilliseconds(2);

    [Test]
    public void Wait_AfterAPause_IsNone()
    {
        var time = new SimulatedTime();
        var gathering = new RecordGathering(Longest, time);
        Assert.That(gathering.WaitAsync(100, default).IsCompleted, Is.True, "the first");
        gathering.NoteSent();
        Assert.That(gathering.WaitAsync(100, default).IsCompleted, Is.False);
        time.Advance(Longest);
        Assert.That(gathering.WaitAsync(100, default).IsCompleted, Is.True);
    }

    [Test]
    public void Wait_WhereMuchWaits_IsNone()
    {
        var gathering = new RecordGathering(Longest, new SimulatedTime());
        gathering.NoteSent();
        Assert.That(gathering.WaitAsync(1 << 20, default).IsCompleted, Is.True);
    }

    [Test]
    public void Wait_OfNoLength_IsNone()
    {
        var gathering = new RecordGathering(TimeSpan.Zero, new SimulatedTime());
        gathering.NoteSent();
        Assert.That(gathering.WaitAsync(100, default).IsCompleted, Is.True);
    }

    [Test]
    public void Wait_WhereAGuestWaits_EndsWithTheAnswer()
    {
        var answer = new TaskCompletionSource();
        var gathering = new RecordGathering(Longest, new SimulatedTime(), _ => answer.Task);
        Assert.That(gathering.WaitAsync(100, default).IsCompleted, Is.True, "nothing is on its way");
        gathering.NoteSent();
        var wait = gathering.WaitAsync(100, default);
        Assert.That(wait.IsCompleted, Is.False);
        answer.SetResult();
        Assert.That(() => wait.IsCompleted, Is.True.After(5000, 5));
        Assert.That(gathering.WaitAsync(100, default).IsCompleted, Is.True, "it was answered before");
    }

    [Test]
    public void Wait_WhereAGuestWaits_EndsWithoutTheAnswer()
    {
        var time = new SimulatedTime();
        var gathering = new RecordGathering(Longest, time, _ => new TaskCompletionSource().Task);
        gathering.NoteSent();
        var wait = gathering.WaitAsync(100, default);
        time.Advance(Longest);
        Assert.That(() => wait.IsCompleted, Is.True.After(5000, 5));
    }
}
