namespace VmRepl.EndToEnd.Following;

/// <summary>A resync while the guest writes (mechanism 8): no earlier point is lost, none is offered within, and nothing crosses the wire twice but what the guest wrote over after it had crossed.</summary>
internal sealed class ResyncTests
{
    private const string Group = "vm";

    // 5 % of the disk changes while the link is away, and half of that is written again, several times, while it is brought over.
    private const int DiskMiB = 256, ChangedBlocks = (DiskMiB << 20) / 20 / BlockContents.Bytes;

    [Test]
    public void Resync_WhileTheGuestWrites_KeepsThePastAndSendsLittleTwice()
    {
        using var pair = new FollowedPair("""{"Follow":{"GoneAfter":"00:00:01"}}""");
        pair.Protect(Group, "async", ("sda", "raw", DiskMiB));
        pair.AwaitInSync(Group);
        using var changing = new Guest(() => pair.Connect(Group, "sda"), new GuestLoad { Seed = 19, Blocks = ChangedBlocks });
        changing.AwaitWrites(2000, TimeSpan.FromSeconds(60));
        changing.Rest();
        pair.AwaitLevel(Group);
        pair.Pair.Bookmark(Group, "before");
        var before = pair.Sha256(pair.DiskFile(Group, "sda"), "raw");

        pair.Relay.Cut();
        changing.CountDistinct();
        changing.GoOn();
        pair.AwaitPhase(Group, "tracking");
        for (var limit = 0; changing.DistinctBytes < ChangedBlocks * (long)BlockContents.Bytes * 9 / 10; limit++)
        {
            Assert.That(limit, Is.LessThan(100));
            changing.AwaitWrites(1000, TimeSpan.FromSeconds(60));
        }

        changing.Rest();
        var changed = changing.DistinctBytes;
        var writesBefore = changing.Writes;
        var onTheWire = pair.Relay.Sent;
        pair.Relay.BytesPerSecond = 2 << 20;
        pair.Relay.Mend();
        pair.AwaitPhase(Group, "resync");
        var within = pair.Following(Group).GetProperty("last").GetUInt64();
        changing.GoOn();
        // Half as many as changed.
        changing.AwaitWrites(ChangedBlocks / 2, TimeSpan.FromSeconds(60));
        changing.Rest();
        Assert.That(pair.Status(Group).GetProperty("phase").GetString(), Is.EqualTo("resync"), "the guest was to write within it");
        pair.AwaitLevel(Group);
        var (wire, written) = (pair.Relay.Sent - onTheWire, (changing.Writes - writesBefore) * BlockContents.Bytes);
        pair.Pair.Bookmark(Group, "after");
        pair.AwaitLevel(Group);
        var after = pair.Sha256(pair.DiskFile(Group, "sda"), "raw");
        var brought = pair.Pair.Run("why", Group).MustSucceed().Json.GetProperty("decisions").EnumerateArray().Last().GetProperty("broughtOverBytes").GetInt64();
        TestContext.Out.WriteLine($"{changed >> 10} KiB changed, {written >> 10} KiB written meanwhile; {brought >> 10} KiB brought over ({(double)brought / changed:0.000}), {wire >> 10} KiB on the wire ({(double)wire / changed:0.000} of what changed, {(double)wire / (changed + written):0.000} of both)");
        Assert.Multiple(() =>
        {
            Assert.That(brought, Is.EqualTo(changed).Within(changed / 100), "a block is brought over once");
            // The guest is much faster than the wire: most of what it writes again has not been brought over yet. A scan that ran ahead into the buffer would send all of it twice.
            Assert.That(wire, Is.LessThanOrEqualTo((changed + written / 2) * 11 / 10));
        });

        foreach (var (moment, hash) in new[] { ("before", before), ("after", after) })
        {
            var restored = pair.Restore(Group, moment);
            Assert.That(pair.Sha256(Path.Combine(restored, "sda.raw"), "raw"), Is.EqualTo(hash), moment);
            Directory.Delete(restored, recursive: true);
        }

        pair.Pair.Run("restore-vm", Group, "--to", pair.Pair.Path("within"), "--at", $"{within}", "--store", pair.Pair.Store).MustFail(1, Group, "resync");
        changing.Stop();
        pair.VerifyEqual(Group);
    }
}
