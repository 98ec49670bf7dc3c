namespace VmRepl.EndToEnd.Following;

/// <summary>What an answer of a sync group takes (mechanism 12): one round trip, for the replica has granted credit ahead. Alone, for it is compared with what a wire takes at the same time.</summary>
[NonParallelizable]
internal sealed class RoundTripTests
{
    private const string Group = "vm";

    [Test]
    public void Write_WithARoundTripOf20Ms_TakesOne()
    {
        using var pair = new FollowedPair();
        pair.Protect(Group, "sync", ("sda", "raw", 64));
        pair.AwaitInSync(Group);
        pair.Relay.Delay = TimeSpan.FromMilliseconds(10);
        using var guest = new Guest(() => pair.Connect(Group, "sda"), new GuestLoad { Seed = 5, Depth = 1 });
        guest.AwaitWrites(20, TimeSpan.FromSeconds(60));
        guest.Rest();
        guest.ForgetLatencies();
        guest.GoOn();
        // The same bytes through such a relay and back, at the same time: what the machine does to one it does to the other.
        var roundTrips = RoundTrip.Measure(TimeSpan.FromMilliseconds(10), BlockContents.Bytes, 200);
        guest.AwaitWrites(100, TimeSpan.FromSeconds(60));
        guest.Stop();
        var (write, trip) = (guest.Latencies[guest.Latencies.Length / 2], roundTrips[roundTrips.Length / 2]);
        TestContext.Out.WriteLine($"{guest.Writes} sync writes of 4 KiB at depth 1: median {write:0.00} ms, the wire's round trip {trip:0.00} ms: {write / trip:0.00} round trips ({write / 20:0.00} of 20 ms)");
        Assert.That(write / trip, Is.InRange(1.0, 1.25));
        pair.VerifyEqual(Group);
    }
}
