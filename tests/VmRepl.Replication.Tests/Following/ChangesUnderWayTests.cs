using VmRepl.Replication.Source.Following;

namespace VmRepl.Replication.Tests.Following;

public class ChangesUnderWayTests
{
    [Test]
    public void Drain_WithNothingUnderWay_EndsAtOnce() => Assert.That(new ChangesUnderWay().DrainAsync().IsCompleted, Is.True);

    [Test]
    public void Drain_WaitsForWhatBeganBefore_AndNotForWhatBeginsAfter()
    {
        var changes = new ChangesUnderWay();
        var (first, second) = (changes.Enter(), changes.Enter());
        var drained = changes.DrainAsync();
        var after = changes.Enter();
        changes.Exit(second);
        Assert.That(drained.IsCompleted, Is.False);
        changes.Exit(first);
        Assert.That(drained.IsCompleted, Is.True, "while a later one is under way");
        var next = changes.DrainAsync();
        Assert.That(next.IsCompleted, Is.False);
        changes.Exit(after);
        Assert.That(next.IsCompleted, Is.True);
    }

    [Test]
    public void Enter_WhileADrainIsWaitedFor_HoldsNobody()
    {
        var changes = new ChangesUnderWay();
        var before = changes.Enter();
        _ = changes.DrainAsync();
        var within = changes.Enter();
        Assert.That((changes.Passed, changes.Held), Is.EqualTo((1, 0)));
        changes.Exit(before);
        changes.Exit(within);
        changes.Exit(changes.Enter());
        Assert.That((changes.Passed, changes.Held), Is.EqualTo((1, 0)), "none is waited for any more");
    }

    [Test]
    public void Drain_WhileOneIsUnderWay_IsRefused()
    {
        var changes = new ChangesUnderWay();
        _ = changes.Enter();
        _ = changes.DrainAsync();
        Assert.That(changes.DrainAsync, Throws.InvalidOperationException);
    }
}
