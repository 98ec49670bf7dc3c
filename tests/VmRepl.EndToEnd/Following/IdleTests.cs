namespace VmRepl.EndToEnd.Following;

/// <summary>A connection on which nothing is written (mechanism 12) is kept, by signs of life, and there are no errors.</summary>
internal sealed class IdleTests
{
    private const string Group = "vm";

    // In the first case several times as long as silence is borne, in the one that a person starts the ten minutes that were asked for, with everything as it comes.
    [TestCase(8, """{"Link":{"SilenceMax":"00:00:02"},"Follow":{"Lease":"00:00:02"}}"""), TestCase(600, "{}", Explicit = true)]
    public void Connection_WithNothingToSend_IsKept(int seconds, string configuration)
    {
        using var pair = new FollowedPair(configuration);
        pair.Protect(Group, "sync", ("sda", "raw", 16));
        pair.AwaitInSync(Group);
        using (var disk = pair.Connect(Group, "sda")) disk.Write(0, new byte[] { 1, 2, 3 });
        pair.AwaitLevel(Group);
        var since = pair.Following(Group).GetProperty("since").GetDateTimeOffset();
        var (connections, sent) = (pair.Relay.Connections, pair.Relay.Sent);
        Thread.Sleep(TimeSpan.FromSeconds(seconds));
        Assert.That(pair.Relay.Connections, Is.EqualTo(connections), pair.Pair.Logs);
        var signs = pair.Relay.Sent - sent;
        var status = pair.Status(Group);
        Assert.Multiple(() =>
        {
            Assert.That(status.GetProperty("phase").GetString(), Is.EqualTo("in-sync"));
            Assert.That(status.TryGetProperty("lastError", out _), Is.False);
            Assert.That(status.GetProperty("following").GetProperty("promiseInForce").GetBoolean());
            Assert.That(status.GetProperty("following").GetProperty("since").GetDateTimeOffset(), Is.EqualTo(since));
            Assert.That(signs, Is.Positive);
        });
        TestContext.Out.WriteLine($"idle for {seconds} s: one connection, {signs} bytes of signs of life");
        using (var disk = pair.Connect(Group, "sda")) disk.Write(4096, new byte[] { 4, 5, 6 });
        pair.VerifyEqual(Group);
    }
}
