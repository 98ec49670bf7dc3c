using VmRepl.EndToEnd.Disks;
using VmRepl.EndToEnd.Failures;
using VmRepl.EndToEnd.Processes;

namespace VmRepl.EndToEnd.Security;

/// <summary>Mutual TLS between processes: who has the right certificate gets in, everybody else is told why not, in one sentence, and leaves no trace at the replica.</summary>
internal sealed class TlsTests
{
    private const string Group = "bank";

    private string root = null!;
    private TestAuthority authority = null!;
    private TestAuthority stranger = null!;
    private ReplicationPair good = null!;
    private PlainDisk disk = null!;

    [OneTimeSetUp]
    public void StartReplicaWithCertificates()
    {
        ExternalTool.Require("qemu-img", "qemu-io");
        root = Directory.CreateTempSubdirectory("vmrepl-e2e-").FullName;
        authority = new TestAuthority(root, "authority");
        stranger = new TestAuthority(root, "stranger");
        good = new ReplicationPair(root)
        {
            ReplicaArguments = authority.Issue("replica", []),
            AgentArguments = [.. authority.Issue("agent", [Group]), "--config", FailureTests.ConfigFile(root)],
        };
        good.Start();
        disk = PlainDisk.Create(root, "sda", "qcow2", sizeMiB: 16, dataMiB: 4, seed: 31);
        good.Protect(Group, disk.Argument).MustSucceed();
        disk.Overwrite((1 << 20, 1 << 20));
        good.Sync(Group);
    }

    [OneTimeTearDown]
    public void Remove()
    {
        authority?.Dispose();
        stranger?.Dispose();
        good?.Dispose();
    }

    [Test]
    public void Restore_ThroughTheAgent_UsesItsCertificates() => VerifyRestore([]);

    [Test]
    public void Restore_FromTheReplica_WithRightCertificate_Works() =>
        VerifyRestore(["--from", good.Address, .. authority.Issue("reader", [Group])]);

    [Test]
    public void Restore_FromTheReplica_WithStarCertificate_Works() =>
        VerifyRestore(["--from", good.Address, .. authority.Issue("star", ["*"])]);

    [Test]
    public void Restore_FromTheReplica_WithoutCertificate_IsRefused() =>
        RefusedRestore([], "certificate");

    [Test]
    public void Restore_FromTheReplica_WithWrongGroup_IsRefused() => RefusedRestore(authority.Issue("reader2", ["other"]), Group, "certificate");

    [Test]
    public void Restore_FromTheReplica_WithWrongAuthority_IsRefused() => RefusedRestore(stranger.Issue("reader3", [Group], trusted: authority.File), "authority");

    [Test]
    public void Restore_FromTheReplica_WithExpiredCertificate_IsRefused() => RefusedRestore(authority.Issue("reader4", [Group], validUntil: TimeSpan.FromDays(-1)), "holds from");

    [Test]
    public void Restore_FromReplicaOfAStranger_IsRefused() => RefusedRestore(authority.Issue("reader5", [Group], trusted: stranger.File), "authority");

    [Test]
    public void Protect_WithWrongAuthority_IsRefused() => RefusedProtect(stranger.Issue("agent2", ["*"], trusted: authority.File), "authority");

    [Test]
    public void Protect_WithExpiredCertificate_IsRefused() => RefusedProtect(authority.Issue("agent3", ["*"], validUntil: TimeSpan.FromDays(-1)), "holds from");

    [Test]
    public void Protect_WithWrongGroup_IsRefused() => RefusedProtect(authority.Issue("agent4", ["other"]), "certificate");

    [Test]
    public void Protect_WithoutCertificate_IsRefused() => RefusedProtect([], "certificate");

    [Test]
    public void Protect_OfReplicaOfAStranger_IsRefused() => RefusedProtect(authority.Issue("agent5", ["*"], trusted: stranger.File), "authority");

    [Test]
    public void Replica_WithExpiredCertificate_SaysSoAndIsRefusedByTheAgent()
    {
        using var expired = new ReplicationPair { ReplicaArguments = authority.Issue("replica2", [], validUntil: TimeSpan.FromDays(-1)), AgentArguments = [.. authority.Issue("agent6", ["*"]), "--config", FailureTests.ConfigFile(root)] };
        expired.Start();
        Assert.That(expired.Logs, Does.Contain("peers will refuse this side's certificate"));
        expired.Protect("mine", disk.Argument).MustFail(3, "mine", "holds from");
    }

    [Test]
    public void Replica_WithoutCertificates_IsRefusedByAnAgentThatHasSome()
    {
        using var plain = new ReplicationPair { AgentArguments = [.. authority.Issue("agent7", ["*"]), "--config", FailureTests.ConfigFile(root)] };
        plain.Start();
        var result = plain.Protect("mine", disk.Argument);
        Assert.That(result.ExitCode, Is.AnyOf(1, 3), result.ToString());
        result.MustFail(result.ExitCode, "mine", plain.Address);
        Assert.That(result.Message + result.Hint, Does.Contain("certificate").IgnoreCase, "what it may be is said");
    }

    [Test]
    public void Replica_WithKeyOfAnother_DoesNotStart()
    {
        var (mine, theirs) = (authority.Issue("replica3", []), authority.Issue("replica4", []));
        VmReplCommand.Run(null, "replica", "--store", good.Path("other"), "--listen", $"127.0.0.1:{ReplicationPair.FreePort()}",
            "--certificate", mine[1], "--key", theirs[3], "--authority", authority.File, "--json").MustFail(3, theirs[3]);
    }

    [Test]
    public void Replica_BeyondLoopbackWithCertificates_Starts()
    {
        using var open = new ReplicationPair();
        using var replica = new VmReplService(new Dictionary<string, string>(), ["replica", "--store", open.Store, "--listen", $"0.0.0.0:{open.Port}", .. authority.Issue("replica5", [])]);
        ReplicationPair.Await(replica, new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, open.Port));
        Assert.That(replica.Stop(), Is.Zero, replica.Log);
    }

    private void VerifyRestore(string[] source)
    {
        var target = good.Path("restored");
        good.Run(["restore-vm", Group, "--to", target, "--format", "raw", .. source]).MustSucceed();
        Referee.Equal(disk.File, "qcow2", Path.Combine(target, "sda.raw"), "raw");
        Directory.Delete(target, recursive: true);
    }

    private void RefusedRestore(string[] certificates, params string[] words)
    {
        var target = good.Path("refused");
        good.Run(["restore-vm", Group, "--to", target, "--from", good.Address, .. certificates]).MustFail(3, words);
        Assert.That(Directory.Exists(target), Is.False);
    }

    /// <summary>An agent with those certificates may not bring a group of its own to the replica.</summary>
    private void RefusedProtect(string[] certificates, string word)
    {
        using var other = new ReplicationPair { AgentArguments = [.. certificates, "--config", FailureTests.ConfigFile(root)] };
        other.StartAgent();
        other.Run("protect", "mine", "--disk", disk.Argument, "--to", good.Address).MustFail(3, "mine", word);
        Assert.That(Directory.Exists(Path.Combine(good.Store, "groups", "mine")), Is.False, "nothing was made for it");
        Assert.That(other.Run("status").MustSucceed().Json.GetProperty("groups").GetArrayLength(), Is.Zero, "a refused group is not left behind");
    }
}
