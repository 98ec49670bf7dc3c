using System.Text.Json;

namespace VmRepl.EndToEnd.Following;

/// <summary>What <c>vmrepl status</c> says of a followed group is so in each state, through the deaths of either side too.</summary>
internal sealed class StatusTests
{
    private const string Group = "vm";

    [Test]
    public void Status_ThroughDeathsOfEitherSide_SaysWhatHoldsAndSinceWhen()
    {
        using var pair = new FollowedPair("""{"Follow":{"GoneAfter":"00:00:02"}}""");
        pair.Protect(Group, "async", ("sda", "raw", 16));
        pair.AwaitInSync(Group);
        Write(pair, 1);
        pair.AwaitLevel(Group);
        var inSync = pair.Status(Group);
        var began = Since(inSync)!.Value;
        Show("in sync", inSync);
        Assert.Multiple(() =>
        {
            Assert.That(Following(inSync, "promiseInForce").GetBoolean());
            Assert.That((inSync.GetProperty("lagBytes").GetInt64(), inSync.GetProperty("lagSeconds").GetDouble()), Is.EqualTo((0, 0.0)));
            Assert.That(Following(inSync, "creditBytes").GetInt64(), Is.Positive);
            Assert.That(Point(inSync), Is.EqualTo(Following(inSync, "last").GetUInt64()));
        });

        pair.Pair.Replica!.Kill();
        var down = pair.Await(Group, "disconnected", s => Phase(s) == "disconnected");
        Write(pair, 2);
        var waiting = pair.Status(Group);
        Show("disconnected", waiting);
        Assert.Multiple(() =>
        {
            Assert.That(Following(waiting, "promiseInForce").GetBoolean(), Is.False);
            Assert.That(Since(waiting), Is.GreaterThanOrEqualTo(began).And.EqualTo(Since(down)));
            Assert.That(waiting.GetProperty("lagBytes").GetInt64(), Is.InRange(4096, 3 * 4096), "what waits is counted once");
            Assert.That(waiting.GetProperty("lagSeconds").GetDouble(), Is.Positive);
            Assert.That(Point(waiting), Is.EqualTo(Point(inSync)));
        });

        var tracking = pair.Await(Group, "tracking", s => Phase(s) == "tracking");
        Show("tracking", tracking);
        Assert.Multiple(() =>
        {
            Assert.That(Since(tracking), Is.EqualTo(Since(down)), "it is not in sync since the connection broke, not since the link was given up");
            Assert.That((tracking.GetProperty("lagBytes").GetInt64(), Following(tracking, "dirtyPrecision").GetString()), Is.EqualTo((4096, "exact")));
            Assert.That(tracking.GetProperty("lagSeconds").GetDouble(), Is.Positive);
            Assert.That((Point(tracking), Range(tracking)), Is.EqualTo((Point(inSync), Range(inSync))));
        });

        // Both sides know nothing but what they wrote down: the agent dies in this state, and once more while it is in sync.
        KillAgent(pair);
        var after = pair.Status(Group);
        Show("tracking, agent killed", after);
        Assert.That((Phase(after), Since(after), Point(after), Range(after)), Is.EqualTo(("tracking", Since(tracking), Point(inSync), Range(inSync))));

        pair.Pair.StartReplica();
        pair.AwaitLevel(Group);
        Write(pair, 3);
        pair.AwaitLevel(Group);
        var again = pair.Status(Group);
        pair.Pair.KillBoth();
        pair.Pair.StartAgent();
        var dead = pair.Await(Group, "tracking", s => Phase(s) == "tracking");
        Write(pair, 4);
        var written = pair.Status(Group);
        Show("in sync, both killed", written);
        Assert.Multiple(() =>
        {
            Assert.That(Following(dead, "promiseInForce").GetBoolean(), Is.False);
            Assert.That(Since(dead), Is.GreaterThanOrEqualTo(Since(again)!.Value).And.LessThan(DateTimeOffset.UtcNow), "in sync until the agent died");
            Assert.That((Point(dead), Range(dead)), Is.EqualTo((Point(again), Range(again))));
            Assert.That((dead.GetProperty("lagBytes").GetInt64(), dead.GetProperty("lagSeconds").GetDouble()), Is.EqualTo((0, 0.0)), "nothing was written since");
            Assert.That((written.GetProperty("lagBytes").GetInt64(), Since(written)), Is.EqualTo((4096, Since(dead))));
            Assert.That(written.GetProperty("lagSeconds").GetDouble(), Is.Positive);
        });

        pair.Pair.StartReplica();
        pair.AwaitLevel(Group);
        Assert.That(Since(pair.Status(Group)), Is.GreaterThan(Since(written)!.Value));
        pair.VerifyEqual(Group);
    }

    [Test]
    public void Status_OfADiskThatCannotBeOpened_KeepsWhatIsKnown()
    {
        using var pair = new FollowedPair();
        pair.Protect(Group, "async", ("sda", "raw", 16));
        pair.AwaitInSync(Group);
        Write(pair, 1);
        pair.AwaitLevel(Group);
        var before = pair.Status(Group);
        Assert.That(pair.Pair.Agent!.Stop(), Is.Zero);
        File.Move(pair.DiskFile(Group, "sda"), pair.Pair.Path("elsewhere"));
        pair.Pair.StartAgent();
        var failed = pair.Status(Group);
        Show("the disk is away", failed);
        Assert.Multiple(() =>
        {
            Assert.That((Phase(failed), failed.GetProperty("capture").GetString()), Is.EqualTo(("failed", "served")));
            Assert.That(failed.GetProperty("promise").GetString(), Does.StartWith("NOT served"));
            Assert.That(failed.GetProperty("lastError").GetString(), Does.Contain("sda"));
            Assert.That((Point(failed), Range(failed)), Is.EqualTo((Point(before), Range(before))));
            Assert.That(Since(failed), Is.GreaterThan(Since(before)!.Value));
        });
        File.Move(pair.Pair.Path("elsewhere"), pair.DiskFile(Group, "sda"));
        Assert.That(pair.Pair.Agent!.Stop(), Is.Zero);
        pair.Pair.StartAgent();
        pair.AwaitInSync(Group);
        pair.VerifyEqual(Group);
    }

    private static void KillAgent(FollowedPair pair)
    {
        pair.Pair.Agent!.Kill();
        pair.Pair.StartAgent();
    }

    private static void Write(FollowedPair pair, int version)
    {
        var block = new byte[BlockContents.Bytes];
        BlockContents.Fill(block, 0, version);
        using var disk = pair.Connect(Group, "sda");
        disk.Write(0, block);
    }

    private static void Show(string state, JsonElement status) => TestContext.Out.WriteLine($"{state}: {status}");

    private static string Phase(JsonElement status) => status.GetProperty("phase").GetString()!;

    private static JsonElement Following(JsonElement status, string field) => status.GetProperty("following").GetProperty(field);

    private static DateTimeOffset? Since(JsonElement status) => Following(status, "since") is { ValueKind: JsonValueKind.String } since ? since.GetDateTimeOffset() : null;

    private static ulong Point(JsonElement status) => status.GetProperty("lastPoint").GetProperty("sequence").GetUInt64();

    private static string Range(JsonElement status) => status.GetProperty("recoveryRange").ToString();
}
