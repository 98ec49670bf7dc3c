using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json;
using VmRepl.EndToEnd.Following;
using VmRepl.EndToEnd.Processes;

namespace VmRepl.EndToEnd.Clones;

/// <summary>Clones made in step, with real processes: the source's clone, the replica's, and the group as of the clone's sequence have one SHA-256, and next to nothing crosses the wire.</summary>
internal sealed class MadeCloneTests
{
    private const string Group = "web1";
    private const int SizeMiB = 96;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private FollowedPair pair = null!;

    [SetUp]
    public void Begin() => pair = new FollowedPair();

    [TearDown]
    public void End() => pair?.Dispose();

    [Test]
    public void Clone_OfTwoDisksUnderWriteLoad_IsTheSameOnBothSidesForNextToNothing()
    {
        Protect(("sda", "raw", SizeMiB), ("data", "qcow2", 16));
        using var guest = new Guest(() => pair.Connect(Group, "sda"), new GuestLoad { Seed = 5, WritesPerSecond = 2000 });
        using var other = new Guest(() => pair.Connect(Group, "data"), new GuestLoad { Seed = 6, WritesPerSecond = 500 });
        guest.AwaitWrites(1000, Limit);
        var made = pair.Pair.Run("clone", Group, "--name", "before upgrade, é").MustSucceed().Json;
        guest.AwaitWrites(1000, Limit);
        var sequence = made.GetProperty("point").GetProperty("sequence").GetUInt64();
        var (hold, own) = (made.GetProperty("holdMs").GetDouble(), made.GetProperty("ownBytes").GetInt64());
        TestContext.Out.WriteLine($"under load: sequence {sequence}, held for {hold:0.00} ms, {own} bytes sent for the clone; longest write of all {guest.Latencies.Max():0.0} ms");
        Assert.Multiple(() =>
        {
            Assert.That(made.GetProperty("state").GetString(), Is.EqualTo("protected"), pair.Pair.Logs);
            Assert.That(own, Is.InRange(1, 64 << 10));
            Assert.That(hold, Is.LessThan(1000));
        });
        guest.Stop();
        other.Stop();
        RequireSame(made);

        // Nothing else is on the wire now.
        pair.AwaitLevel(Group);
        var before = pair.Relay.Sent;
        var idle = pair.Pair.Run("clone", Group, "--name", "idle").MustSucceed().Json;
        var sent = pair.Relay.Sent - before;
        TestContext.Out.WriteLine($"idle: held for {idle.GetProperty("holdMs").GetDouble():0.00} ms, {sent} bytes on the wire");
        Assert.That(sent, Is.InRange(1, 64 << 10));
        RequireSame(idle);

        var clones = Clones();
        Assert.Multiple(() =>
        {
            Assert.That(clones.Select(c => c.GetProperty("state").GetString()), Is.All.EqualTo("protected"));
            Assert.That(clones.Select(c => c.GetProperty("base").GetString()).Distinct(), Is.EquivalentTo(new[] { Group + "/sda", Group + "/data" }));
            Assert.That(clones[0].GetProperty("how").GetString(), Is.EqualTo($"made in step at sequence {sequence}"));
            Assert.That(File.GetUnixFileMode(pair.Pair.Path("state/made")), Is.EqualTo(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute));
        });
        pair.Pair.Run("clone", Group, "--name", "idle").MustFail(3, "of that name");
    }

    [Test]
    public void Clone_OfAGroupThatIsNotServedOrNotInSync_IsRefused()
    {
        Protect(("sda", "raw", 8));
        var disk = pair.Pair.Path("shot.raw");
        File.WriteAllBytes(disk, new byte[1 << 20]);
        pair.Pair.Run("protect", "shot", "--disk", $"sda={disk},format=raw", "--to", pair.Relay.Address).MustSucceed();
        pair.Pair.Run("clone", "shot", "--name", "n").MustFail(3, "another process may hold");
        pair.Relay.Cut();
        pair.Await(Group, "disconnected", s => s.GetProperty("phase").GetString() != "in-sync");
        pair.Pair.Run("clone", Group, "--name", "n").MustFail(3, "not in sync");
        Assert.That(Directory.GetDirectories(pair.Pair.Path("state/made")), Is.Empty);
        Assert.That(Clones(), Is.Empty);
    }

    [Test]
    public void Clone_AgentKilledInTheMiddle_IsFinishedOrNothing()
    {
        Protect(("sda", "raw", SizeMiB));
        Fill("sda", SizeMiB * 3 / 4);
        pair.AwaitLevel(Group);
        var random = new Random(11);
        var told = new List<string>();
        for (var i = 0; i < 8; i++)
        {
            pair.AwaitInSync(Group);
            // While one is copied here no other is made.
            if (i % 2 == 1) AwaitAll(c => c.GetProperty("state").GetString() is "protected" or "failed");
            using var command = pair.Pair.Begin("clone", Group, "--name", $"clone {i}");
            // Half of them once it has a place, so that the copy is cut as well.
            if (i % 2 == 0) Thread.Sleep(random.Next(150, 600));
            else AwaitPlaced($"clone {i}");
            if (i % 4 < 3) Thread.Sleep(random.Next(0, 40));
            pair.Pair.Agent!.Kill();
            if (command.Wait(Limit) is { ExitCode: 0 } done && done.Json.GetProperty("state").GetString() == "protected") told.Add($"clone {i}");
            pair.Pair.StartAgent();
        }

        AwaitAll(c => c.GetProperty("state").GetString() is "protected" or "failed");
        var clones = Clones();
        TestContext.Out.WriteLine($"of 8: {told.Count} were told of, {clones.Count(c => c.GetProperty("state").GetString() == "protected")} are protected, {clones.Count(c => c.GetProperty("state").GetString() == "failed")} failed; {pair.Pair.Logs.Split('\n').Count(l => l.Contains("was read back from the replica", StringComparison.Ordinal))} read back");
        Assert.That(told, Is.SubsetOf(clones.Select(c => c.GetProperty("name").GetString())));
        Assert.That(Directory.GetDirectories(pair.Pair.Path("state/made")), Is.EquivalentTo(clones.Select(c => c.GetProperty("directory").GetString())));
        Assert.That(clones, Has.None.Matches<JsonElement>(c => c.GetProperty("state").GetString() == "failed"));
        foreach (var clone in clones) RequireSame(clone.GetProperty("name").GetString()!, [("sda", Path.Combine(clone.GetProperty("directory").GetString()!, "sda.raw"))], null);
    }

    [Test]
    public void Clone_WhoseRecordWasLostWithTheLink_IsComparedByDigestsInstead()
    {
        pair.Dispose();
        pair = new FollowedPair("""{"Follow":{"GoneAfter":"00:00:01"}}""");
        Protect(("sda", "raw", 32));
        using (var disk = pair.Connect(Group, "sda"))
        {
            pair.Relay.Freeze();
            disk.Write(3 << 20, RandomNumberGenerator.GetBytes(1 << 20));
            using var command = pair.Pair.Begin("clone", Group, "--name", "lost");
            AwaitPlaced("lost");
            pair.Relay.Cut();
            disk.Write(9 << 20, RandomNumberGenerator.GetBytes(1 << 20));
            pair.Await(Group, "given up", s => s.GetProperty("phase").GetString() == "tracking");
            pair.Relay.Thaw();
            pair.Relay.Mend();
            command.Wait(Limit).MustSucceed();
        }

        AwaitAll(c => c.GetProperty("state").GetString() == "protected");
        var clone = Clones().Single();
        TestContext.Out.WriteLine($"{clone.GetProperty("ownBytes")} bytes were the clone's own");
        Assert.That(clone.GetProperty("ownBytes").GetInt64(), Is.InRange(1 << 20, 4 << 20));
        Assert.That(pair.Pair.Logs, Does.Contain("is compared by digests"));
        RequireSame("lost", [("sda", Path.Combine(clone.GetProperty("directory").GetString()!, "sda.raw"))], null);
    }

    private void Protect(params (string Name, string Format, int SizeMiB)[] disks)
    {
        pair.Protect(Group, "async", disks);
        pair.AwaitInSync(Group);
        foreach (var (name, _, size) in disks) Fill(name, size / 2);
        pair.AwaitLevel(Group);
    }

    private void Fill(string disk, int mib)
    {
        using var client = pair.Connect(Group, disk);
        var (random, piece) = (new Random(mib), new byte[1 << 20]);
        for (var i = 0; i < mib; i++)
        {
            random.NextBytes(piece);
            client.Write((long)i << 20, piece);
        }
    }

    private void RequireSame(JsonElement made) => RequireSame(
        made.GetProperty("name").GetString()!,
        [.. made.GetProperty("disks").EnumerateArray().Select(d => (d.GetProperty("name").GetString()!, d.GetProperty("file").GetString()!))],
        made.GetProperty("point").GetProperty("sequence").GetUInt64().ToString(System.Globalization.CultureInfo.InvariantCulture));

    private void RequireSame(string clone, List<(string Name, string File)> disks, string? sequence)
    {
        var to = pair.Pair.Path($"restored-{Guid.NewGuid():N}");
        pair.Pair.Run("restore-vm", Group, "--clone", clone, "--store", pair.Pair.Store, "--to", to, "--format", "raw").MustSucceed();
        var group = sequence is null ? null : pair.Restore(Group, sequence);
        foreach (var (name, file) in disks)
        {
            var here = Hash(file);
            Assert.That(Hash(Path.Combine(to, name + ".raw")), Is.EqualTo(here), $"{clone}: the replica's clone of {name}");
            if (group is not null) Assert.That(Hash(Path.Combine(group, name + ".raw")), Is.EqualTo(here), $"{clone}: {name} at sequence {sequence}");
        }
    }

    private List<JsonElement> Clones() => [.. pair.Pair.Run("clones").MustSucceed().Json.GetProperty("clones").EnumerateArray()];

    /// <summary>Waits until a clone is recorded as having its place: it is being copied then.</summary>
    private void AwaitPlaced(string name)
    {
        for (var waited = Stopwatch.StartNew(); waited.Elapsed < Limit;)
        {
            if (Directory.GetFiles(pair.Pair.Path("state/made"), "clone.json", SearchOption.AllDirectories).Any(f => TryRead(f) is { } text && text.Contains($"\"{name}\"", StringComparison.Ordinal) && text.Contains("copying", StringComparison.Ordinal))) return;
        }

        throw new AssertionException($"{name} never had a place\n{pair.Pair.Logs}");
    }

    private static string? TryRead(string file)
    {
        try
        {
            return File.ReadAllText(file);
        }
        catch (IOException)
        {
            // It is replaced just now.
            return null;
        }
    }

    private void AwaitAll(Func<JsonElement, bool> holds) => Await(c => c.All(holds));

    private void Await(Func<List<JsonElement>, bool> holds)
    {
        for (var waited = Stopwatch.StartNew(); ; Thread.Sleep(20))
        {
            var clones = Clones();
            if (holds(clones)) return;
            if (waited.Elapsed > Limit) throw new AssertionException($"not seen\n{string.Join('\n', clones)}\n{pair.Pair.Logs[^Math.Min(pair.Pair.Logs.Length, 8000)..]}");
        }
    }

    private static string Hash(string file)
    {
        using var stream = File.OpenRead(file);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}
