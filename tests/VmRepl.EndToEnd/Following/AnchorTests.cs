using System.Security.Cryptography;
using System.Text.Json;

namespace VmRepl.EndToEnd.Following;

/// <summary>
/// The replica loses what it had acknowledged (mechanism 5): it is killed, and an older copy of its volume is put in place. What was written since an anchor that the copy has is brought over, and nothing but that; the making of anchors
/// held up no write.
/// </summary>
internal sealed class AnchorTests
{
    private const string Group = "vm";

    // Marks made from an anchor are of whole segments.
    private const int DiskMiB = 64, SegmentBytes = 64 << 10;
    private const double WireMax = 1.1;

    [Test]
    public void Replica_PutBackToAnOlderCopy_IsBroughtLevelFromAnAnchor()
    {
        // Four intervals are kept: the time from the copy to the loss has to be shorter than three.
        using var pair = new FollowedPair("""{"Follow":{"GoneAfter":"00:00:01","AnchorEvery":"00:00:04"}}""");
        pair.Protect(Group, "async", ("sda", "raw", DiskMiB));
        pair.AwaitInSync(Group);
        using var filling = new Guest(() => pair.Connect(Group, "sda"), new GuestLoad { Seed = 23 });
        filling.AwaitWrites(8000, TimeSpan.FromSeconds(60));
        filling.Stop();
        pair.AwaitLevel(Group);
        pair.Pair.Bookmark(Group, "before");
        var before = pair.Sha256(pair.DiskFile(Group, "sda"), "raw");

        using var guest = new Guest(() => pair.Connect(Group, "sda"), new GuestLoad { Seed = 29, Blocks = 128, WritesPerSecond = 1000 });
        long made;
        do
        {
            made = Anchors(pair);
            guest.CountDistinct();
        }
        while (Anchors(pair) != made);
        // The next one's interval begins after the counting: what is written since is among what is counted.
        AwaitAnchor(pair, made);
        var last = pair.Following(Group).GetProperty("last").GetUInt64();
        pair.Await(Group, "durable up to the anchor", s => Durable(s) >= last);
        pair.Pair.Replica!.Kill();
        var older = pair.Pair.Path("older");
        ExternalTool.Run("cp", "-a", pair.Pair.Store, older);
        pair.Pair.StartReplica();
        pair.AwaitInSync(Group);

        // One more, which the copy does not have.
        AwaitAnchor(pair, Anchors(pair));
        guest.AwaitWrites(500, TimeSpan.FromSeconds(60));
        pair.Pair.Replica!.Kill();
        Directory.Delete(pair.Pair.Store, recursive: true);
        Directory.Move(older, pair.Pair.Store);
        pair.AwaitPhase(Group, "tracking");
        guest.AwaitWrites(500, TimeSpan.FromSeconds(60));
        guest.Rest();
        var onTheWire = pair.Relay.Sent;
        pair.Pair.StartReplica();
        pair.AwaitLevel(Group);
        var (wire, written) = (pair.Relay.Sent - onTheWire, guest.DistinctSegmentBytes(SegmentBytes));
        var (anchors, held) = (Anchors(pair), pair.Following(Group).GetProperty("heldByAnchors").GetInt64());
        var why = pair.Pair.Run("why", Group).MustSucceed().Json.GetProperty("decisions").EnumerateArray().Last();
        var brought = why.GetProperty("broughtOverBytes").GetInt64();
        TestContext.Out.WriteLine($"{written >> 10} KiB of segments written since the anchor, {brought >> 10} KiB brought over, {wire >> 10} KiB on the wire ({(double)wire / written:0.000}); {anchors} anchors held up {held} of {guest.Writes} writes; {why.GetProperty("cause")}");
        Assert.Multiple(() =>
        {
            Assert.That(why.GetProperty("decision").GetString(), Is.EqualTo("resync from an anchor"), pair.Pair.Logs);
            Assert.That(brought, Is.LessThanOrEqualTo(written));
            Assert.That((double)wire / written, Is.LessThanOrEqualTo(WireMax));
            Assert.That(anchors, Is.GreaterThanOrEqualTo(made + 2));
            Assert.That(held, Is.Zero);
        });

        guest.GoOn();
        guest.AwaitWrites(300, TimeSpan.FromSeconds(60));
        guest.Stop();
        pair.AwaitLevel(Group);
        var replay = new byte[DiskMiB << 20];
        filling.Replay(replay);
        guest.Replay(replay);
        foreach (var (moment, hash) in new[] { ("before", before), ("latest", Convert.ToHexStringLower(SHA256.HashData(replay))) })
        {
            var restored = pair.Restore(Group, moment);
            Assert.That(pair.Sha256(Path.Combine(restored, "sda.raw"), "raw"), Is.EqualTo(hash), moment);
            Directory.Delete(restored, recursive: true);
        }

        pair.VerifyEqual(Group);
    }

    private static void AwaitAnchor(FollowedPair pair, long made) => pair.Await(Group, "past another anchor", s => s.GetProperty("following").GetProperty("anchors").GetInt64() > made);

    private static long Anchors(FollowedPair pair) => pair.Following(Group).GetProperty("anchors").GetInt64();

    private static ulong Durable(JsonElement status) => status.GetProperty("following").GetProperty("durable").GetUInt64();
}
