using VmRepl.Replication.Source.Following;
using VmRepl.Replication.Tests.Stage;

namespace VmRepl.Replication.Tests.Following;

public class SyncPromiseTests
{
    [Test]
    public async Task Note_WithABacklogOnItsWay_HoldsNoWriteUntilThatIsSmall()
    {
        using var directory = new TestDirectory();
        var host = directory.Host("state");
        host.Create();
        ulong stamped = 100, durable = 10;
        var isClose = false;
        var promise = new SyncPromise(host, new FollowOptions(), TimeProvider.System, () => stamped, () => durable, () => isClose);
        var onItsWay = new TaskCompletionSource<bool>();

        promise.Note(isInSync: true);
        Assert.That(promise.IsHeld, Is.False);
        await promise.WaitAsync(onItsWay.Task, default).AsTask().WaitAsync(TimeSpan.FromSeconds(10));

        (isClose, durable) = (true, 99);
        promise.Note(isInSync: true);
        Assert.That((promise.IsHeld, promise.State.IsInForce), Is.EqualTo((true, false)), "writes wait, for what was answered before is not there yet");
        Assert.That(promise.WaitAsync(onItsWay.Task, default).AsTask().IsCompleted, Is.False);

        durable = 100;
        promise.Note(isInSync: true);
        Assert.That((promise.State.IsInForce, promise.State.FromSequence), Is.EqualTo((true, 100UL)));
    }
}
