namespace VmRepl.EndToEnd.Following;

/// <summary>A resync by digests while the guest writes into the very regions that are compared, over a wire that takes 100 ms for a question and its answer (mechanism 8): the newer contents stay.</summary>
internal sealed class DigestResyncTests
{
    private const string Group = "vm";

    [Test]
    public void Regions_WrittenWhileTheyAreCompared_KeepTheNewerContents()
    {
        // No anchor: nothing but digests tells what an older copy of the store lacks.
        using var pair = new FollowedPair("""{"Follow":{"GoneAfter":"00:00:01","AnchorEvery":"23:00:00"}}""");
        pair.Protect(Group, "async", ("sda", "raw", 64));
        pair.AwaitInSync(Group);
        using var guest = new Guest(() => pair.Connect(Group, "sda"), new GuestLoad { Seed = 47, Blocks = 512, WritesPerSecond = 1500 });
        guest.AwaitWrites(1500, TimeSpan.FromSeconds(60));
        pair.Pair.Replica!.Kill();
        var older = pair.Pair.Path("older");
        ExternalTool.Run("cp", "-a", pair.Pair.Store, older);
        pair.Pair.StartReplica();
        pair.AwaitInSync(Group);
        guest.AwaitWrites(1500, TimeSpan.FromSeconds(60));
        pair.AwaitInSync(Group);
        pair.Pair.Replica!.Kill();
        Directory.Delete(pair.Pair.Store, recursive: true);
        Directory.Move(older, pair.Pair.Store);
        pair.AwaitPhase(Group, "tracking");
        pair.Relay.Delay = TimeSpan.FromMilliseconds(50);
        var (writes, onTheWire) = (guest.Writes, pair.Relay.Sent);
        pair.Pair.StartReplica();
        pair.AwaitInSync(Group);
        var (meanwhile, wire) = ((guest.Writes - writes) * BlockContents.Bytes, pair.Relay.Sent - onTheWire);
        guest.AwaitWrites(300, TimeSpan.FromSeconds(60));
        guest.Stop();
        pair.AwaitLevel(Group);
        var why = pair.Pair.Run("why", Group).MustSucceed().Json.GetProperty("decisions").EnumerateArray().Last();
        TestContext.Out.WriteLine($"{why.GetProperty("decision")}, because {why.GetProperty("cause")}: {why.GetProperty("broughtOverBytes").GetInt64() >> 10} KiB brought over of {64 << 10}, {meanwhile >> 10} KiB written meanwhile, {wire >> 10} KiB on the wire");
        Assert.That(why.GetProperty("decision").GetString(), Is.EqualTo("resync by digests"));
        Assert.That(meanwhile, Is.GreaterThan(100 * BlockContents.Bytes), "the guest was to write within it");
        pair.VerifyEqual(Group);
    }
}
