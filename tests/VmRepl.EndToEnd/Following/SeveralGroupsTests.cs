using System.Buffers.Binary;
using VmRepl.Nbd.Client;

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
        const int numbers = 600, moments = 8, slotBytes = 512;
        string[] names = ["sda", "sdb", "sdc"];
        using var pair = new FollowedPair();
        pair.Protect("vm", "async", [.. names.Select(n => (n, "raw", 4))]);
        pair.AwaitInSync("vm");
        NbdClient[] disks = [.. names.Select(n => pair.Connect("vm", n))];
        var slot = new byte[slotBytes];
        for (var i = 1; i <= numbers; i++)
        {
            BinaryPrimitives.WriteInt32LittleEndian(slot, i);
            disks[i % disks.Length].Write((long)i * slotBytes, slot);
        }

        foreach (var disk in disks) disk.Dispose();
        pair.AwaitLevel("vm");
        var last = pair.Following("vm").GetProperty("last").GetUInt64();
        var random = new Random(13);
        var seen = new List<int>();
        for (var moment = 0; moment < moments; moment++)
        {
            var restored = pair.Restore("vm", $"{last - (ulong)random.Next(numbers)}");
            var raws = names.Select(n => File.ReadAllBytes(Path.Combine(restored, n + ".raw"))).ToList();
            var there = Enumerable.Range(1, numbers).Where(i => BinaryPrimitives.ReadInt32LittleEndian(raws[i % raws.Count].AsSpan(i * slotBytes)) == i).ToList();
            Assert.That(there, Is.EqualTo(Enumerable.Range(1, there.Count)), "a number is missing that was answered before another was begun");
            seen.Add(there.Count);
            Directory.Delete(restored, recursive: true);
        }

        Assert.That(seen.Distinct().Count(), Is.GreaterThan(moments / 2));
        TestContext.Out.WriteLine($"moments with all numbers up to {string.Join(", ", seen.Order())}");
        pair.VerifyEqual("vm");
    }
}
