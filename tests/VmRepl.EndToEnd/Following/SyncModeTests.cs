namespace VmRepl.EndToEnd.Following;

/// <summary>A sync group (mechanism 4): what was answered while the promise held is at the replica, whoever dies.</summary>
internal sealed class SyncModeTests
{
    private const string Group = "vm";
    private const int Kills = 3;

    [Test]
    public void Agent_Killed_LosesNothingThatWasAnswered()
    {
        var seed = Environment.TickCount;
        TestContext.Out.WriteLine($"seed {seed}");
        var random = new Random(seed);
        using var pair = new FollowedPair();
        pair.Protect(Group, "sync", ("sda", "raw", 64));
        // It writes from the first moment on: the promise begins under it.
        using var guest = new Guest(() => pair.Connect(Group, "sda"), new GuestLoad { Seed = 3, Blocks = 4096 });
        pair.AwaitInSync(Group);
        for (var kill = 1; kill <= Kills; kill++)
        {
            guest.AwaitWrites(random.Next(1, kill == 1 ? 20 : 900), TimeSpan.FromSeconds(60));
            pair.Pair.Agent!.Kill();
            var answered = guest.Answered;
            VerifyNothingLost(pair, guest, answered, pair.Pair.Store, $"kill {kill} of the agent");
            pair.Pair.StartAgent();
            pair.AwaitInSync(Group);
        }

        guest.Stop();
        pair.VerifyEqual(Group);
    }

    [Test]
    public void Replica_Killed_HasWhatWasAnsweredUpToTheEndOfThePromise()
    {
        using var pair = new FollowedPair("""{"Follow":{"Lease":"00:00:02"}}""");
        pair.Protect(Group, "sync", ("sda", "raw", 64));
        pair.AwaitInSync(Group);
        using var guest = new Guest(() => pair.Connect(Group, "sda"), new GuestLoad { Seed = 4, Blocks = 4096 });
        for (var kill = 1; kill <= Kills; kill++)
        {
            guest.AwaitWrites(300 * kill, TimeSpan.FromSeconds(60));
            pair.Pair.Replica!.Kill();
            // The lease runs: nothing that the replica does not have is answered before it is over.
            Thread.Sleep(TimeSpan.FromSeconds(1));
            var answered = guest.Answered;
            var promise = pair.Following(Group);
            Assert.That(promise.GetProperty("promiseInForce").GetBoolean(), $"{promise}");
            VerifyNothingLost(pair, guest, answered, pair.Pair.Store, $"kill {kill} of the replica");
            // Then the guest goes on alone, and it is told how far the promise held.
            guest.AwaitWrites(200, TimeSpan.FromSeconds(60));
            promise = pair.Following(Group);
            Assert.That(promise.GetProperty("promiseInForce").GetBoolean(), Is.False, $"{promise}");
            Assert.That(promise.GetProperty("promiseEndedAt").GetUInt64(), Is.Positive);
            pair.Pair.StartReplica();
            pair.AwaitInSync(Group);
        }

        guest.Stop();
        pair.VerifyEqual(Group);
    }

    [Test]
    public void Replica_LostUnderTheRuleStop_LeavesTheGuestWaiting()
    {
        using var pair = new FollowedPair("""{"Follow":{"Lease":"00:00:01"}}""");
        pair.Protect(Group, "sync, stop", ("sda", "raw", 64));
        pair.AwaitInSync(Group);
        using var guest = new Guest(() => pair.Connect(Group, "sda"), new GuestLoad { Seed = 8, Blocks = 4096 });
        guest.AwaitWrites(300, TimeSpan.FromSeconds(60));
        pair.Pair.Replica!.Kill();
        pair.Await(Group, "without its promise", s => !s.GetProperty("following").GetProperty("promiseInForce").GetBoolean());
        var answered = guest.Answered;
        Thread.Sleep(TimeSpan.FromSeconds(2));
        Assert.That(guest.Answered, Is.EqualTo(answered), "no write is answered");
        Assert.That(pair.Status(Group).GetProperty("promise").GetString(), Does.StartWith("Sync, stopped"));
        VerifyNothingLost(pair, guest, answered, pair.Pair.Store, "the replica lost, rule stop");
        pair.Pair.StartReplica();
        pair.AwaitInSync(Group);
        guest.AwaitWrites(300, TimeSpan.FromSeconds(60));
        guest.Stop();
        pair.VerifyEqual(Group);
    }

    private static void VerifyNothingLost(FollowedPair pair, Guest guest, int[] answered, string store, string what)
    {
        var copy = Copy(pair, store);
        var restored = pair.Restore(Group, "latest", copy);
        var lost = guest.Lost(Path.Combine(restored, "sda.raw"), answered);
        TestContext.Out.WriteLine($"{what}: {answered.Sum(a => (long)a)} writes were answered, {lost.Count} blocks lost");
        Assert.That(lost, Is.Empty, pair.Pair.Logs);
        Directory.Delete(restored, recursive: true);
        Directory.Delete(copy, recursive: true);
    }

    /// <summary>A copy of a store of which the replica may be running: a file that is just being put in place of another one is gone from under the copy, which is begun anew then.</summary>
    private static string Copy(FollowedPair pair, string store)
    {
        for (var attempt = 1; ; attempt++)
        {
            var copy = pair.Pair.Path($"store-{Guid.NewGuid():N}");
            var (status, _, why) = ExternalTool.Try("cp", "-a", store, copy);
            if (status == 0) return copy;
            Assert.That(attempt < 5 && why.Contains("No such file", StringComparison.Ordinal), Is.True, why);
            Directory.Delete(copy, recursive: true);
        }
    }
}
