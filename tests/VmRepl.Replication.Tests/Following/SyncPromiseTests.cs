using VmRepl.Replication.Source.Following;
using VmRepl.Replication.Tests.Stage;

namespace VmRepl.Replication.Tests.Following;

public class SyncPromiseTests
{
    [Test]
    public async Task Note_WithABacklogOnItsWay_HoldsNoWriteUntilThatIsSmall()
    {
        using var directory = new TestDirectory();
        ulong stamped = 100, durable = 10;
        var isClose = false;
        var promise = Make(directory, new FollowOptions(), () => stamped, () => durable, () => true, () => isClose);
        var onItsWay = new TaskCompletionSource<bool>();

        promise.Note();
        Assert.That(promise.IsHeld, Is.False);
        await promise.WaitAsync(onItsWay.Task, default).AsTask().WaitAsync(TimeSpan.FromSeconds(10));

        (isClose, durable) = (true, 99);
        promise.Note();
        Assert.That((promise.IsHeld, promise.State.IsInForce), Is.EqualTo((true, false)), "writes wait, for what was answered before is not there yet");
        Assert.That(promise.WaitAsync(onItsWay.Task, default).AsTask().IsCompleted, Is.False);

        durable = 100;
        promise.Note();
        Assert.That((promise.State.IsInForce, promise.State.FromSequence), Is.EqualTo((true, 100UL)));
    }

    /// <summary>Seed 723786: it was sent before the promise began, and its link was given up afterwards. The replica does not have it, and with "stop" nobody goes on without the replica.</summary>
    [Test]
    public async Task Write_SentBeforeThePromiseAndLostAfterIt_WaitsForTheReplica([Values] bool endsBefore)
    {
        using var directory = new TestDirectory();
        var isInSync = true;
        var lease = endsBefore ? TimeSpan.FromMilliseconds(20) : TimeSpan.FromHours(1);
        var promise = Make(directory, new FollowOptions { OnLoss = LossRule.Stop, Lease = lease }, () => 1, () => 1, () => isInSync);
        var onItsWay = new TaskCompletionSource<bool>();
        var held = promise.WaitAsync(onItsWay.Task, default).AsTask();
        Assert.That(held.IsCompleted, "no promise yet");

        promise.Note();
        Assert.That(promise.State.IsInForce);
        var waiting = promise.WaitAsync(onItsWay.Task, default).AsTask();
        if (endsBefore) Assert.That(() => promise.State.IsInForce, Is.False.After(10_000, 5));
        isInSync = false;
        onItsWay.SetResult(false);
        promise.Lost();
        Assert.That(waiting.Wait(100), Is.False);

        isInSync = true;
        promise.Note();
        await waiting.WaitAsync(TimeSpan.FromSeconds(10));
    }

    [Test]
    public async Task Write_ArmedBeforeThePromiseAndLostAfterIt_WaitsForTheReplica()
    {
        using var directory = new TestDirectory();
        ulong durable = 0;
        var isInSync = true;
        var promise = Make(directory, new FollowOptions { OnLoss = LossRule.Stop, Lease = TimeSpan.FromHours(1) }, () => 1, () => durable, () => isInSync);
        var onItsWay = new TaskCompletionSource<bool>();
        promise.Note();
        Assert.That((promise.IsHeld, promise.State.IsInForce), Is.EqualTo((true, false)));
        var waiting = promise.WaitAsync(onItsWay.Task, default).AsTask();
        durable = 1;
        promise.Note();
        Assert.That((promise.State.IsInForce, waiting.IsCompleted), Is.EqualTo((true, false)));

        isInSync = false;
        onItsWay.SetResult(false);
        promise.Lost();
        Assert.That(waiting.Wait(100), Is.False);
        isInSync = true;
        promise.Note();
        await waiting.WaitAsync(TimeSpan.FromSeconds(10));
    }

    private static SyncPromise Make(TestDirectory directory, FollowOptions options, Func<ulong> stamped, Func<ulong> durable, Func<bool> isInSync, Func<bool>? isClose = null)
    {
        var host = directory.Host("state");
        host.Create();
        return new SyncPromise(host, options, TimeProvider.System, stamped, durable, isInSync, isClose ?? (() => true));
    }
}
