using System.Text.Json;

namespace VmRepl.EndToEnd.Following;

/// <summary>The link is cut in each phase (mechanism 4): it goes on, there is no second baseline, and both sides are equal at the end.</summary>
internal sealed class PhaseCutTests
{
    private const string Group = "vm";

    // A wire so narrow that each phase lasts long enough to be met.
    private const long WireBytesPerSecond = 16 << 20;

    [TestCase("baseline", false), TestCase("baseline", true), TestCase("cutover", false), TestCase("resync", false), TestCase("resync", true), TestCase("steady", false), TestCase("steady", true)]
    public void LinkCut_InThePhase_GoesOnWithoutASecondBaseline(string phase, bool isLong)
    {
        using var pair = new FollowedPair("""{"Follow":{"GoneAfter":"00:00:01"}}""");
        pair.Relay.Cut();
        pair.Protect(Group, "async", ("sda", "raw", 64));
        using var guest = new Guest(() => pair.Connect(Group, "sda"), new GuestLoad { Seed = 17, Blocks = 8192, WritesPerSecond = 2000 });
        guest.AwaitWrites(6000, TimeSpan.FromSeconds(60));
        pair.Relay.BytesPerSecond = WireBytesPerSecond;
        pair.Relay.Mend();
        switch (phase)
        {
            case "baseline":
                pair.Await(Group, "in the middle of its baseline", s => s.GetProperty("phase").GetString() == "baseline" && Copied(s) is > 4 << 20);
                break;
            case "cutover":
                pair.Await(Group, "at the end of its baseline", s => s.GetProperty("phase").GetString() != "baseline" || (Copied(s) > 0 && ToCopy(s) < 2 << 20));
                break;
            case "resync":
                pair.AwaitInSync(Group);
                Cut(pair, isLong: true);
                pair.Await(Group, "in the middle of its resync", s => s.GetProperty("phase").GetString() == "resync" && ToCopy(s) > 0);
                break;
            default:
                pair.AwaitInSync(Group);
                break;
        }

        Cut(pair, isLong);
        pair.AwaitInSync(Group);
        guest.AwaitWrites(500, TimeSpan.FromSeconds(60));
        guest.Stop();
        pair.AwaitLevel(Group);
        var decisions = pair.Pair.Run("why", Group).MustSucceed().Json.GetProperty("decisions").EnumerateArray().Select(d => d.GetProperty("decision").GetString()!).ToList();
        TestContext.Out.WriteLine($"cut in {phase}{(isLong ? ", for longer than it is waited for" : "")}: {string.Join(", ", decisions)}; {pair.Relay.Connections} connections, {pair.Relay.Sent >> 20} MiB on the wire");
        Assert.That(pair.Relay.Connections, Is.GreaterThan(1));
        Assert.That(decisions.Count(d => d == "baseline"), Is.EqualTo(1));
        Assert.That(decisions, Has.None.EqualTo("resync by digests"));
        pair.VerifyEqual(Group);
    }

    private static void Cut(FollowedPair pair, bool isLong)
    {
        pair.Relay.Cut();
        if (isLong) Thread.Sleep(TimeSpan.FromSeconds(2.5));
        pair.Relay.Mend();
    }

    private static long ToCopy(JsonElement status) => status.GetProperty("following").GetProperty("toCopyBytes").GetInt64();

    /// <summary>Of the disk's 64 MiB.</summary>
    private static long Copied(JsonElement status) => ToCopy(status) is > 0 and var left ? (64 << 20) - left : 0;
}
