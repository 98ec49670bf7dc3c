using System.Text.Json;

namespace VmRepl.EndToEnd.Following;

/// <summary>
/// The replica stands still, its connections open (mechanisms 12 and 17): the guest goes on, the agent's memory stays within its buffer, the gap is told, and what can be had of the past are prefixes of what was answered, without a hole.
/// </summary>
internal sealed class StalledReplicaTests
{
    private const string Group = "vm";
    private const long BufferBytes = 8 << 20, GrowthMax = 64 << 20;

    // In the stall the guest writes so much.
    private const long WrittenBytes = 160 << 20;

    [Test]
    public void Replica_Stalled_LeavesTheGuestAlone_AndEveryPointWhole()
    {
        string[] names = ["sda", "sdb", "sdc"];
        using var pair = new FollowedPair($"{{\"Follow\":{{\"BufferBytes\":{BufferBytes}}}}}");
        pair.Protect(Group, "async", [.. names.Select(n => (n, "raw", 16)), ("load", "raw", 64)]);
        pair.AwaitInSync(Group);
        using var load = new Guest(() => pair.Connect(Group, "load"), new GuestLoad { Seed = 41 });
        using (var numbers = new NumbersInTurn(pair, Group, names))
        {
            load.AwaitWrites(4000, TimeSpan.FromSeconds(60));
            numbers.AwaitWritten(500);
            var (before, memory) = (numbers.Written, pair.Pair.Agent!.ResidentBytes);
            pair.Pair.Replica!.Stall();
            long peak = 0;
            for (long left = WrittenBytes / BlockContents.Bytes; left > 0; left -= 1024)
            {
                load.AwaitWrites(Math.Min(left, 1024), TimeSpan.FromSeconds(60));
                peak = Math.Max(peak, pair.Pair.Agent.ResidentBytes);
            }

            var within = numbers.Written;
            var status = pair.Await(Group, "behind", s => s.GetProperty("following").GetProperty("overflows").GetInt64() > 0);
            TestContext.Out.WriteLine($"stalled while the guest wrote {WrittenBytes >> 20} MiB and {within - before} numbers: the agent's memory grew by {(peak - memory) >> 20} MiB at the most, buffer {BufferBytes >> 20} MiB; {status.GetProperty("promise")} {status.GetProperty("following").GetProperty("dirtyBytes").GetInt64() >> 20} MiB marked");
            Assert.That(within, Is.GreaterThan(before), "who does not load the disk is not held up either");
            Assert.That(peak - memory, Is.LessThan(GrowthMax));
            Assert.That(status.GetProperty("inSync").GetBoolean(), Is.False);
            Assert.That(status.GetProperty("following").GetProperty("since").ValueKind, Is.EqualTo(JsonValueKind.String));

            pair.Pair.Replica.GoOn();
            load.Stop();
            pair.AwaitInSync(Group);
            numbers.AwaitWritten(within + 200);
        }

        pair.AwaitLevel(Group);
        var why = pair.Pair.Run("why", Group).MustSucceed().Json.GetProperty("decisions").EnumerateArray().Select(d => d.GetProperty("cause").GetString()).ToList();
        Assert.That(why, Has.Some.Contains("the buffer of 8 MiB was full"));
        var runs = pair.Pair.Run("points", Group).MustSucceed().Json.GetProperty("runs").EnumerateArray().Select(r => (First: r.GetProperty("firstSequence").GetUInt64(), Last: r.GetProperty("lastSequence").GetUInt64())).ToList();
        Assert.That(runs, Has.Count.GreaterThanOrEqualTo(2), "the gap is in the list of points");
        var random = new Random(43);
        var seen = new List<int>();
        foreach (var (first, last) in runs.Where((_, i) => i == 0 || i >= runs.Count - 2))
        {
            foreach (var sequence in new[] { first, first + (ulong)random.NextInt64((long)(last - first) + 1), last }.Distinct()) seen.Add(NumbersInTurn.Verify(pair, Group, names, sequence));
        }

        TestContext.Out.WriteLine($"{runs.Count} runs of points; moments with all numbers up to {string.Join(", ", seen)}");
        Assert.That(seen, Is.Ordered);
        var inTheGap = runs[^2].Last + 1;
        if (inTheGap < runs[^1].First) pair.Pair.Run("restore-vm", Group, "--to", pair.Pair.Path("within"), "--at", $"{inTheGap}", "--store", pair.Pair.Store).MustFail(1, Group, "resync");
        pair.VerifyEqual(Group);
    }
}
