namespace VmRepl.EndToEnd.Following;

/// <summary>Several disks in one group, and several groups through one agent.</summary>
internal sealed class SeveralGroupsTests
{
    [Test]
    public void Groups_OfSeveralDisks_AreEqualAfterACut()
    {
        using var pair = new FollowedPair("""{"Follow":{"GoneAfter":"00:00:01"}}""");
        (string Group, string Mode, (string Name, string Format, int SizeMiB)[] Disks)[] groups =
        [
            ("vm1", "async", [("sda", "raw", 64), ("sdb", "qcow2", 32)]),
            ("vm2", "semi-sync", [("sda", "raw", 32), ("sdb", "raw", 32)]),
            ("vm3", "sync", [("sda", "raw", 32)]),
        ];
        foreach (var (group, mode, disks) in groups) pair.Protect(group, mode, disks);
        var guests = groups.SelectMany(g => g.Disks.Select(d => new Guest(() => pair.Connect(g.Group, d.Name), new GuestLoad { Seed = 11, Depth = 2, WritesPerSecond = 400 }))).ToList();
        try
        {
            foreach (var (group, _, _) in groups) pair.AwaitInSync(group);
            pair.Relay.Cut();
            foreach (var (group, _, _) in groups) pair.AwaitPhase(group, "tracking");
            pair.Relay.Mend();
            foreach (var (group, _, _) in groups) pair.AwaitInSync(group);
            guests.ForEach(g => g.AwaitWrites(100, TimeSpan.FromSeconds(60)));
            guests.ForEach(g => g.Stop());
        }
        finally
        {
            guests.ForEach(g => g.Dispose());
        }

        pair.VerifyEqual([.. groups.Select(g => g.Group)]);
    }

    /// <summary>Each number is written only when the one before was answered, on another disk: any moment holds all numbers up to one, and none beyond.</summary>
    [Test]
    public void Disks_WrittenInTurn_AreInOrderAtEveryMoment()
    {
        const int numbers = 600, moments = 8;
        string[] names = ["sda", "sdb", "sdc"];
        using var pair = new FollowedPair();
        pair.Protect("vm", "async", [.. names.Select(n => (n, "raw", 4))]);
        pair.AwaitInSync("vm");
        using (var writing = new NumbersInTurn(pair, "vm", names)) writing.AwaitWritten(numbers);
        pair.AwaitLevel("vm");
        var last = pair.Following("vm").GetProperty("last").GetUInt64();
        var random = new Random(13);
        List<int> seen = [.. Enumerable.Range(0, moments).Select(_ => NumbersInTurn.Verify(pair, "vm", names, last - (ulong)random.Next(numbers)))];
        Assert.That(seen.Distinct().Count(), Is.GreaterThan(moments / 2));
        TestContext.Out.WriteLine($"moments with all numbers up to {string.Join(", ", seen.Order())}");
        pair.VerifyEqual("vm");
    }
}
