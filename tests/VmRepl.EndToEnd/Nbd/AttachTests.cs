using System.Text.Json;
using VmRepl.EndToEnd.Disks;
using VmRepl.EndToEnd.Processes;
using VmRepl.EndToEnd.Security;

namespace VmRepl.EndToEnd.Nbd;

/// <summary>The past and the live image over NBD, by the command line, read and written by qemu-img, qemu-io and nbdcopy.</summary>
internal sealed class AttachTests
{
    private const string Group = "vm1";

    private ReplicationPair pair = null!;
    private PlainDisk[] disks = null!;
    private string[] first = null!;
    private string[] second = null!;

    [SetUp]
    public void Protect()
    {
        ExternalTool.Require("qemu-img", "qemu-io", "nbdcopy", "nbdinfo");
        pair = new ReplicationPair();
        pair.ReplicaArguments = ["--nbd", $"unix:{pair.Path("n.sock")}"];
        pair.Start();
        disks = [PlainDisk.Create(pair.Root, "sda", "qcow2", 32, 4, seed: 1), PlainDisk.Create(pair.Root, "sdb", "vhdx", 24, 3, seed: 2)];
        pair.Protect(Group, [.. disks.Select(d => d.Argument)]).MustSucceed();
        pair.Bookmark(Group, "first");
        first = [.. disks.Select(d => d.Freeze("first"))];
        foreach (var disk in disks) disk.Overwrite([(1L << 20, 3 << 20), (700_416, 1024)]);
        pair.Sync(Group);
        pair.Bookmark(Group, "second");
        second = [.. disks.Select(d => d.Freeze("second"))];
    }

    [TearDown]
    public void End() => pair?.Dispose();

    [Test]
    public void Attach_ReadOnlyAndWritableSideBySide_EachShowsItsOwn()
    {
        var past = Attach("--at", "first");
        var written = Attach("--at", "first", "--writable");
        var now = Attach("--at", "second");
        Assert.That(past.GetProperty("sequence").GetUInt64(), Is.LessThan(now.GetProperty("sequence").GetUInt64()));
        ExternalTool.Run("qemu-io", "-f", "raw", "-c", "write -P 0x5a 2M 1M", "-c", "write -z 10M 64k", "-c", "discard 0 1M", "-c", "flush", Uri(written, 0));
        Assert.That(ExternalTool.Try("qemu-io", "-f", "raw", "-c", "write 0 512", Uri(past, 0)).Status, Is.Not.Zero, "read-only");
        var next = disks[0];
        next.Overwrite([(5L << 20, 1 << 20)]);
        pair.Sync(Group);

        for (var i = 0; i < disks.Length; i++)
        {
            Referee.Equal(first[i], "raw", Uri(past, i), "raw");
            Referee.Equal(second[i], "raw", Uri(now, i), "raw");
        }

        ExternalTool.Run("qemu-io", "-r", "-f", "raw", "-c", "read -P 0x5a 2M 1M", "-c", "read -P 0 10M 64k", "-c", "read -P 0 0 1M", Uri(written, 0));
        Assert.That(ExternalTool.Run("nbdinfo", "--map=vmrepl:scratch", Uri(written, 0)), Does.Match(@"2097152\s+1048576\s+1"));

        pair.Run("detach", Group, "--at", "first").MustSucceed();
        Assert.That(ExternalTool.Try("nbdinfo", Uri(past, 0)).Status, Is.Not.Zero, "detached");
        Referee.Equal(second[1], "raw", Uri(now, 1), "raw");
        Assert.That(pair.Run("attach", Group, "--list").MustSucceed().Json.GetProperty("attachments").GetArrayLength(), Is.EqualTo(1));
        Assert.That(pair.Run("scrub", Group).MustSucceed().Json.GetProperty("damageCount").GetInt32(), Is.Zero);
        Assert.That(Directory.EnumerateFiles(Path.Combine(pair.Store, "scratch")), Is.Empty, "what was written is thrown away");
    }

    [Test]
    public void Names_WithoutAttaching_AreFoundWhenAClientConnects()
    {
        Referee.Equal(first[1], "raw", $"nbd+unix:///{Group}/sdb@first?socket={pair.Path("n.sock")}", "raw");
        Referee.Equal(second[1], "raw", $"nbd+unix:///{Group}/sdb@latest?socket={pair.Path("n.sock")}", "raw");
        Referee.Equal(second[0], "raw", $"nbd+unix:///{Group}/sda?socket={pair.Path("n.sock")}", "raw");
        Assert.That(ExternalTool.Try("qemu-io", "-f", "raw", "-c", "write 0 512", $"nbd+unix:///{Group}/sda?socket={pair.Path("n.sock")}").Status, Is.Not.Zero, "the live image is not written");
        foreach (var (name, reason) in new[] { ($"{Group}/sda@never", "no bookmark named never"), ($"{Group}/sdz", "has no disk sdz"), ("other/sda", "no group named other"), ("sda", "GROUP/DISK"), ($"{Group}/../sda", "has no disk"), ($"{Group}/sda@1~9", "nothing is attached") })
        {
            var (status, _, error) = ExternalTool.Try("nbdinfo", $"nbd+unix:///{Uri64(name)}?socket={pair.Path("n.sock")}");
            Assert.That(status, Is.Not.Zero, name);
            Assert.That(() => pair.Replica!.Log, Does.Contain(reason).After(2000, 20), error);
        }

        static string Uri64(string name) => name.Replace("@", "%40", StringComparison.Ordinal);
    }

    [Test]
    public void DirtyBitmap_SinceAnEarlierPoint_HoldsEverythingThatDiffers()
    {
        var now = Attach("--at", "second");
        var map = ExternalTool.Run("qemu-img", "map", "--output=json", "--image-opts", $"driver=raw,file.driver=nbd,file.server.type=unix,file.server.path={pair.Path("n.sock")},file.export={Export(now, 0)},file.x-dirty-bitmap=qemu:dirty-bitmap:first");
        using var runs = JsonDocument.Parse(map);
        // With x-dirty-bitmap, QEMU shows as "no data" what is dirty.
        var dirty = runs.RootElement.EnumerateArray().Where(r => !r.GetProperty("data").GetBoolean()).Select(r => (Start: r.GetProperty("start").GetInt64(), End: r.GetProperty("start").GetInt64() + r.GetProperty("length").GetInt64())).ToList();
        var (before, after) = (File.ReadAllBytes(first[0]), File.ReadAllBytes(second[0]));
        for (var sector = 0; sector < before.Length / 512; sector++)
        {
            var at = sector * 512L;
            if (!before.AsSpan((int)at, 512).SequenceEqual(after.AsSpan((int)at, 512))) Assert.That(dirty.Any(d => d.Start <= at && at < d.End), Is.True, $"sector {sector} differs and is not dirty");
        }

        Assert.That(dirty.Sum(d => d.End - d.Start), Is.LessThan(8 << 20));
    }

    [Test]
    public void Detach_Keep_WritesTheDisksOutWithWhatWasWritten()
    {
        var written = Attach("--at", "first", "--writable");
        ExternalTool.Run("qemu-io", "-f", "raw", "-c", "write -P 0x77 4M 2M", "-c", "flush", Uri(written, 1));
        var want = pair.Path("want.raw");
        ExternalTool.Run("nbdcopy", Uri(written, 1), want);
        var kept = pair.Run("detach", Group, "--keep", "repaired").MustSucceed().Json;
        var directory = kept.GetProperty("directory").GetString()!;
        Assert.That(kept.GetProperty("detached").GetInt32(), Is.EqualTo(1));
        Referee.Equal(want, "raw", Path.Combine(directory, "sdb.qcow2"), "qcow2");
        Referee.Equal(first[0], "raw", Path.Combine(directory, "sda.qcow2"), "qcow2");
        Attach("--at", "first", "--writable");
        pair.Run("detach", Group, "--keep", "repaired").MustFail(1, "kept already");
        pair.Run("detach", Group).MustSucceed();
        pair.Run("detach", Group).MustFail(1, "nothing of group vm1 is attached");
    }

    [Test]
    public void Replica_Restarted_ServesReadOnlyAttachmentsAgain()
    {
        var past = Attach("--at", "first");
        var written = Attach("--at", "first", "--writable");
        pair.Replica!.Kill();
        pair.StartReplica();
        Referee.Equal(first[0], "raw", Uri(past, 0), "raw");
        Assert.That(ExternalTool.Try("nbdinfo", Uri(written, 0)).Status, Is.Not.Zero);
        Assert.That(pair.Replica!.Log, Does.Contain("what was written to it is gone"));
        Assert.That(Attach("--at", "second").GetProperty("id").GetUInt32(), Is.EqualTo(3), "a number is never used twice");
    }

    [Test]
    public void Attach_NoReplicaServes_SaysSo()
    {
        pair.Replica!.Stop();
        pair.Run("attach", Group, "--store", pair.Store).MustFail(3, "no replica runs");
        pair.ReplicaArguments = [];
        pair.StartReplica();
        pair.Run("attach", Group, "--store", pair.Store).MustFail(1, "serves no block devices");
    }

    [Test]
    public void Nbd_OverTls_AsksForACertificateThatAllowsTheGroup()
    {
        pair.Replica!.Stop();
        using var authority = new TestAuthority(pair.Root, "authority");
        var own = authority.Issue("replica", [Group]);
        var port = ReplicationPair.FreePort();
        pair.ReplicaArguments = [.. own, "--nbd", $"127.0.0.1:{port}"];
        pair.StartReplica();
        var good = Credentials("good", authority.Issue("good", [Group]), authority);
        var other = Credentials("other", authority.Issue("other", ["vm2"]), authority);
        var uri = $"nbds://127.0.0.1:{port}/{Group}/sda@first?tls-certificates=";
        var copy = pair.Path("copy.raw");
        ExternalTool.Run("nbdcopy", uri + good, copy);
        Referee.Equal(first[0], "raw", copy, "raw");
        Assert.That(ExternalTool.Try("nbdinfo", uri + other).Status, Is.Not.Zero);
        Assert.That(pair.Replica!.Log, Does.Contain("does not allow group vm1"));
        Assert.That(ExternalTool.Try("nbdinfo", $"nbd://127.0.0.1:{port}/{Group}/sda@first").Status, Is.Not.Zero, "without TLS");
    }

    private string Credentials(string name, string[] issued, TestAuthority authority)
    {
        var directory = Directory.CreateDirectory(pair.Path($"pki-{name}")).FullName;
        File.Copy(issued[1], Path.Combine(directory, "client-cert.pem"));
        File.Copy(issued[3], Path.Combine(directory, "client-key.pem"));
        File.Copy(authority.File, Path.Combine(directory, "ca-cert.pem"));
        return directory;
    }

    private JsonElement Attach(params string[] arguments) => pair.Run(["attach", Group, .. arguments]).MustSucceed().Json;

    private static string Uri(JsonElement attached, int disk) => attached.GetProperty("exports")[disk].GetProperty("uri").GetString()!;

    private static string Export(JsonElement attached, int disk) => System.Uri.UnescapeDataString(new Uri(Uri(attached, disk)).AbsolutePath[1..]);
}
