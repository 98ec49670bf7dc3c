namespace VmRepl.EndToEnd.Following;

/// <summary>The baseline of a served disk, in use all the time (mechanism 4).</summary>
internal sealed class BaselineTests
{
    private const string Group = "vm";

    [TestCase(64), TestCase(2048, Explicit = true)]
    public void Baseline_UnderAWriter_ConvergesAndIsEqual(int diskMiB)
    {
        using var pair = new FollowedPair();
        // The guest writes half of what the link takes, all over the disk.
        pair.Relay.BytesPerSecond = 32 << 20;
        pair.Relay.Cut();
        pair.Protect(Group, "async", ("sda", "raw", diskMiB));
        using var guest = new Guest(() => pair.Connect(Group, "sda"), new GuestLoad { Seed = 1, WritesPerSecond = 4000 });
        guest.AwaitWrites(6_000, TimeSpan.FromSeconds(60));
        pair.Relay.Mend();
        pair.AwaitInSync(Group);
        TestContext.Out.WriteLine($"in sync, {pair.Relay.Sent >> 20} MiB on the wire, disk {diskMiB} MiB; slowest write {guest.Latencies[^1]:0.0} ms of {guest.Writes}");
        guest.AwaitWrites(1000, TimeSpan.FromSeconds(60));
        guest.Stop();
        pair.VerifyEqual(Group);
    }
}
