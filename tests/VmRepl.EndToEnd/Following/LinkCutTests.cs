namespace VmRepl.EndToEnd.Following;

/// <summary>
/// The link is cut while the guest writes, for longer than it is waited for, and comes back (mechanism 3): what crosses the wire then is what differs and little more. The agent's death in between costs nothing.
/// The cases that a person starts are of the size in which the figure was asked for.
/// </summary>
internal sealed class LinkCutTests
{
    private const string Group = "vm";
    private const double WireMax = 1.1;

    [TestCase(64, 4, 1024, false), TestCase(64, 4, 64, false), TestCase(64, 4, 1024, true)]
    [TestCase(1024, 30, 4096, false, Explicit = true), TestCase(1024, 30, 64, false, Explicit = true), TestCase(1024, 30, 4096, true, Explicit = true)]
    public void LinkCut_UnderLoad_CostsWhatDiffers(int diskMiB, int seconds, int blocks, bool killsAgent)
    {
        using var pair = new FollowedPair(seconds > 10 ? "{}" : """{"Follow":{"GoneAfter":"00:00:01"}}""");
        pair.Protect(Group, "async", ("sda", "raw", diskMiB));
        pair.AwaitInSync(Group);
        using var guest = new Guest(() => pair.Connect(Group, "sda"), new GuestLoad { Seed = blocks, Blocks = blocks, WritesPerSecond = 2000 });
        guest.AwaitWrites(1000, TimeSpan.FromSeconds(60));

        guest.CountDistinct();
        var writes = guest.Writes;
        pair.Relay.Cut();
        Thread.Sleep(TimeSpan.FromSeconds(seconds / 2.0));
        if (killsAgent)
        {
            pair.Pair.Agent!.Kill();
            pair.Pair.StartAgent();
        }

        Thread.Sleep(TimeSpan.FromSeconds(seconds / 2.0));
        guest.AwaitWrites(100, TimeSpan.FromSeconds(60));
        pair.AwaitPhase(Group, "tracking");
        guest.Rest();
        pair.Relay.Mend();
        pair.AwaitLevel(Group);
        // Each question for the status is a connection of its own.
        var wire = pair.Relay.SentByLink;
        var ratio = (double)wire / guest.DistinctBytes;
        TestContext.Out.WriteLine($"cut for {seconds} s{(killsAgent ? ", agent killed in between" : "")}: {guest.Writes - writes} writes, {guest.DistinctBytes >> 10} KiB distinct, {wire >> 10} KiB on the wire: {ratio:0.000}");
        Assert.That(ratio, Is.LessThanOrEqualTo(WireMax), pair.Pair.Logs);

        var why = pair.Pair.Run("why", Group).MustSucceed().Json.GetProperty("decisions").EnumerateArray().Last();
        Assert.That(why.GetProperty("decision").GetString(), Is.EqualTo("quick resync"));
        Assert.That(why.GetProperty("cause").GetString(), Does.Contain(killsAgent ? "the agent had died" : "was away"));
        Assert.That(why.GetProperty("broughtOverBytes").GetInt64(), Is.EqualTo(guest.DistinctBytes).Within(guest.DistinctBytes / 10));
        guest.GoOn();
        guest.AwaitWrites(500, TimeSpan.FromSeconds(60));
        guest.Stop();
        pair.VerifyEqual(Group);
    }
}
