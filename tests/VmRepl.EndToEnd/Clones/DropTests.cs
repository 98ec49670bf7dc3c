using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json;
using VmRepl.EndToEnd.Processes;

namespace VmRepl.EndToEnd.Clones;

/// <summary>Clones dropped into a directory, with real processes and qemu-img as the referee: what is a clone gets to the replica for what is new in it, by the wire's own count; what is none stays where it is and is said to.</summary>
internal sealed class DropTests
{
    private const string Group = "web1";
    private const int SizeMiB = 128, OlderFiles = 10_000, BlockBytes = 4096;
    private const long MiB = 1 << 20;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(120);

    private ReplicationPair pair = null!;
    private string disk = null!, drops = null!;

    [SetUp]
    public void Begin()
    {
        ExternalTool.Require("qemu-img");
        var root = Directory.CreateTempSubdirectory("vmrepl-e2e-").FullName;
        drops = Path.Combine(root, "drops");
        Directory.CreateDirectory(drops);
        pair = new ReplicationPair(root) { AgentArguments = ["--clones", drops] };
        disk = MakeDisk();
    }

    [TearDown]
    public void End() => pair?.Dispose();

    [Test]
    public void Drop_OverlayCopyTemplateAndCorruptFileAmongManyOlder_EachIsHandledAsItIs()
    {
        for (var i = 0; i < OlderFiles; i++) File.WriteAllText(Path.Combine(drops, $"older-{i}.txt"), $"notes {i}");
        pair.Start();
        using var wire = new Relay(pair.Port);
        Protect(wire);
        Await(clones => clones.Count(c => State(c) == "quarantined") == OlderFiles, "the older files are known");
        var before = wire.Sent;

        var overlay = MakeOverlay("tonight.qcow2", 1);
        var changed = Change("copy.raw", seed: 2, SizeMiB * 256 / 100);
        ExternalTool.Run("qemu-img", "convert", "-q", "-f", "raw", "-O", "vhdx", "-o", "subformat=dynamic", changed, pair.Path("copy, é.vhdx"));
        ExternalTool.Run("qemu-img", "convert", "-q", "-f", "raw", "-O", "vmdk", disk, pair.Path("template.vmdk"));
        var corrupt = pair.Path("corrupt.qcow2");
        File.WriteAllBytes(corrupt, [.. "QFI"u8, 0xfb, 0, 0, 0, 3, .. RandomNumberGenerator.GetBytes(100_000)]);
        var digests = new[] { overlay, changed, disk }.Select(f => Raw(f)).ToArray();
        string[] names = ["tonight.qcow2", "copy, é.vhdx", "template.vmdk", "corrupt.qcow2"];
        var corruptDigest = Hash(corrupt);

        var resident = pair.Agent!.ResidentBytes;
        var dropped = DateTimeOffset.UtcNow;
        foreach (var name in names) File.Move(pair.Path(name), Path.Combine(drops, name));
        var clones = Await(all => names.All(n => all.Any(c => Name(c) == n && (State(c) is "protected" or "quarantined"))), "all four are handled");
        var took = clones.Where(c => State(c) == "protected").Max(c => c.GetProperty("protectedAt").GetDateTimeOffset()) - dropped;
        var sent = wire.Sent - before;
        var own = MiB + (SizeMiB * 256 / 100 * (long)BlockBytes);
        var bound = (own * 11 / 10) + (3 * SizeMiB * MiB * 15 / 10_000);
        TestContext.Out.WriteLine($"handled in {took.TotalSeconds:0.0} s; {sent} bytes on the wire for {own} that are new, {bound} allowed; agent {pair.Agent!.ResidentBytes >> 20} MiB, {resident >> 20} MiB before");
        Assert.Multiple(() =>
        {
            Assert.That(names.Select(n => State(clones.Single(c => Name(c) == n))), Is.EqualTo(new[] { "protected", "protected", "protected", "quarantined" }), pair.Logs);
            Assert.That(names[..3].Select(n => clones.Single(c => Name(c) == n)).Select(c => (c.GetProperty("group").GetString(), c.GetProperty("base").GetString())), Is.All.EqualTo((Group, Group + "/sda")));
            Assert.That(sent, Is.InRange(own, bound));
            Assert.That(clones.Sum(c => c.GetProperty("ownBytes").GetInt64()), Is.InRange(own, own * 11 / 10));
            Assert.That(clones.Single(c => Name(c) == "tonight.qcow2").GetProperty("how").GetString(), Does.Contain("backing file"));
            Assert.That(Hash(Path.Combine(drops, "corrupt.qcow2")), Is.EqualTo(corruptDigest), "what is quarantined is left alone");
            Assert.That(took, Is.LessThan(TimeSpan.FromSeconds(30)));
        });
        for (var i = 0; i < 3; i++) RequireRestores(names[i], digests[i]);
        Assert.That(pair.Run("status").MustSucceed().Json.GetProperty("groups").EnumerateArray().Select(g => g.GetProperty("name").GetString()), Is.EqualTo(new[] { Group }));
        pair.Run("restore-vm", Group, "--clone", "corrupt.qcow2", "--to", pair.Path("nothing")).MustFail(1, "corrupt.qcow2");
    }

    [Test]
    public void Drop_AgentKilledInTheMiddle_GoesOnAndHoldsEachOnce()
    {
        pair.Start();
        using var wire = new Relay(pair.Port);
        Protect(wire);
        wire.BytesPerSecond = 4 * MiB;
        // A quarter of the disk is new: seconds of sending, of which none is let end.
        var changed = Change("copy.raw", seed: 3, SizeMiB * 256 / 4);
        ExternalTool.Run("qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", changed, pair.Path("copy.qcow2"));
        var digest = Raw(changed);
        File.Move(pair.Path("copy.qcow2"), Path.Combine(drops, "copy.qcow2"));
        for (var kills = 0; kills < 4; kills++)
        {
            if (kills > 0) Await(all => all.Any(c => State(c) == "copying"), "it is on its way");
            Thread.Sleep(300 * kills);
            pair.Agent!.Kill();
            if (kills == 2) File.WriteAllText(Path.Combine(drops, "late.qcow2"), "no image at all");
            pair.StartAgent();
        }

        wire.BytesPerSecond = 0;
        var clones = Await(all => all.Count == 2 && all.All(c => State(c) is "protected" or "quarantined"), "it is there");
        Assert.That(clones.Select(c => (Name(c), State(c))), Is.EquivalentTo(new[] { ("copy.qcow2", "protected"), ("late.qcow2", "quarantined") }));
        RequireRestores("copy.qcow2", digest);
        Assert.That(Directory.GetDirectories(Path.Combine(pair.Store, "groups"), "clone-*"), Has.Length.EqualTo(1), "one intent, one group");
    }

    [Test]
    public void Drop_ChangedAndRemovedFile_KeepsWhatWasThere()
    {
        pair.Start();
        using var wire = new Relay(pair.Port);
        Protect(wire);
        var first = MakeOverlay("night.qcow2", 1);
        var firstDigest = Raw(first);
        File.Move(first, Path.Combine(drops, "night.qcow2"));
        Await(all => all.Any(c => State(c) == "protected"), "the first is there");
        var second = MakeOverlay("night.qcow2", 9);
        var secondDigest = Raw(second);
        File.Move(second, Path.Combine(drops, "night.qcow2"), overwrite: true);
        Await(all => all.Select(State).Order().SequenceEqual(["gone", "protected"]), "another version took its place");
        RequireRestores("night.qcow2", secondDigest);
        File.Delete(Path.Combine(drops, "night.qcow2"));
        Await(all => all.All(c => State(c) == "gone"), "it is gone here");
        Assert.That(Directory.GetDirectories(Path.Combine(pair.Store, "groups"), "clone-*"), Has.Length.EqualTo(2));
        Assert.That(firstDigest, Is.Not.EqualTo(secondDigest));
        RequireRestores("night.qcow2", secondDigest, "again");
    }

    [Test]
    public void Drop_WhileTheReplicaIsAway_GetsThereWhenItIsBack()
    {
        pair.Start();
        using var wire = new Relay(pair.Port);
        Protect(wire);
        wire.Cut();
        var overlay = MakeOverlay("cut.qcow2", 5);
        var digest = Raw(overlay);
        File.Move(overlay, Path.Combine(drops, "cut.qcow2"));
        Await(all => all.Any(c => State(c) == "copying"), "it is known while the replica is away");
        wire.Mend();
        Await(all => all.Any(c => State(c) == "protected"), "it is there");
        RequireRestores("cut.qcow2", digest);
    }

    [Test]
    public void Protect_FromPointOfAnotherGroup_SendsWhatDiffers()
    {
        pair.Start();
        using var wire = new Relay(pair.Port);
        Protect(wire);
        pair.Bookmark(Group, "before");
        var changed = Change("other.raw", seed: 6, 100);
        var before = wire.Sent;
        pair.Run("protect", "web2", "--disk", $"sda={changed},format=raw", "--seed", $"sda=group:{Group}/sda@before", "--to", wire.Address).MustSucceed();
        TestContext.Out.WriteLine($"{wire.Sent - before} bytes on the wire for {100 * BlockBytes} that differ");
        Assert.That(wire.Sent - before, Is.InRange(100 * BlockBytes, (110 * BlockBytes) + (SizeMiB * MiB * 15 / 10_000)));
        pair.Run("restore-vm", "web2", "--to", pair.Path("restored"), "--format", "raw").MustSucceed();
        Assert.That(Hash(pair.Path("restored/sda.raw")), Is.EqualTo(Hash(changed)));
        pair.Run("protect", "web3", "--disk", $"sda={changed},format=raw", "--seed", $"sda=group:{Group}/sda@never", "--to", wire.Address).MustFail(3, "seed", "never");
    }

    private void Protect(Relay wire) => pair.Run("protect", Group, "--disk", $"sda={disk},format=raw", "--to", wire.Address).MustSucceed();

    private List<JsonElement> Await(Func<List<JsonElement>, bool> holds, string what)
    {
        var waited = Stopwatch.StartNew();
        while (true)
        {
            List<JsonElement> clones = [.. pair.Run("clones").MustSucceed().Json.GetProperty("clones").EnumerateArray()];
            if (holds(clones)) return clones;
            if (waited.Elapsed > Limit) throw new AssertionException($"not seen: {what}\n{string.Join('\n', clones.Where(c => !Name(c).StartsWith("older", StringComparison.Ordinal)).Select(c => c.ToString()))}\n{pair.Logs[^Math.Min(pair.Logs.Length, 5000)..]}");
            Thread.Sleep(50);
        }
    }

    private static string Name(JsonElement clone) => clone.GetProperty("name").GetString()!;

    private static string State(JsonElement clone) => clone.GetProperty("state").GetString()!;

    private void RequireRestores(string clone, string digest, string where = "restored")
    {
        var to = pair.Path($"{where}-{clone}");
        pair.Run("restore-vm", Group, "--clone", clone, "--from", pair.Address, "--to", to, "--format", "raw").MustSucceed();
        Assert.That(Hash(Path.Combine(to, "sda.raw")), Is.EqualTo(digest), clone);
    }

    /// <summary>The digest of what qemu-img makes of an image as raw.</summary>
    private string Raw(string image)
    {
        var raw = pair.Path("referee.raw");
        ExternalTool.Run("qemu-img", "convert", "-q", "-O", "raw", image, raw);
        var digest = Hash(raw);
        File.Delete(raw);
        return digest;
    }

    private static string Hash(string file)
    {
        using var stream = File.OpenRead(file);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    /// <summary>Three quarters of it random, with a partition table's signature.</summary>
    private string MakeDisk()
    {
        var path = pair.Path("disk.raw");
        var random = new Random(31);
        var piece = new byte[MiB];
        using var file = File.Create(path);
        file.SetLength(SizeMiB * MiB);
        for (var i = 0; i < SizeMiB; i++)
        {
            if (i % 4 == 3) continue;
            random.NextBytes(piece);
            if (i == 0) (piece[510], piece[511]) = (0x55, 0xAA);
            file.Position = i * MiB;
            file.Write(piece);
        }

        return path;
    }

    private string MakeOverlay(string name, int seed)
    {
        var (path, patch) = (pair.Path(name), pair.Path("patch"));
        var contents = new byte[MiB];
        new Random(seed).NextBytes(contents);
        File.WriteAllBytes(patch, contents);
        ExternalTool.Run("qemu-img", "create", "-q", "-f", "qcow2", "-b", disk, "-F", "raw", path);
        ExternalTool.Run("qemu-io", "-f", "qcow2", "-c", $"write -s {patch} 8M 1M", path);
        return path;
    }

    /// <summary>A copy with other contents in so many blocks.</summary>
    private string Change(string name, int seed, int blocks)
    {
        var path = pair.Path(name);
        File.Copy(disk, path);
        var random = new Random(seed);
        var block = new byte[BlockBytes];
        using var file = File.OpenWrite(path);
        foreach (var at in Enumerable.Range(1, (SizeMiB * 256) - 1).OrderBy(_ => random.Next()).Take(blocks))
        {
            random.NextBytes(block);
            file.Position = at * (long)BlockBytes;
            file.Write(block);
        }

        return path;
    }
}
