using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json;
using VmRepl.EndToEnd.Processes;
using VmRepl.Nbd;
using VmRepl.Nbd.Client;

namespace VmRepl.EndToEnd.Following;

/// <summary>An agent that serves disks and the replica that they are followed to, as two processes, with a relay between them.</summary>
internal sealed class FollowedPair : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(90);

    private readonly Dictionary<string, (string Name, string File, string Format)[]> groups = [];
    private AgentSocket? api;

    /// <param name="configuration">The agent's, as JSON.</param>
    public FollowedPair(string configuration = "{}")
    {
        ExternalTool.Require("qemu-img");
        var root = Directory.CreateTempSubdirectory("vmrepl-e2e-").FullName;
        File.WriteAllText(Path.Combine(root, "agent.json"), configuration);
        Pair = new ReplicationPair(root) { AgentArguments = ["--config", Path.Combine(root, "agent.json")] };
        Relay = new Relay(Pair.Port);
        Pair.Start();
    }

    public ReplicationPair Pair { get; }

    public Relay Relay { get; }

    /// <summary>Makes empty disks and begins to serve them.</summary>
    /// <param name="disks">Name, format, MiB.</param>
    /// <param name="acknowledgement">The mode; "sync, stop" for a sync group whose guest waits when the replica is lost.</param>
    public void Protect(string group, string acknowledgement, params (string Name, string Format, int SizeMiB)[] disks)
    {
        groups[group] = [.. disks.Select(d => (d.Name, Pair.Path($"{group}-{d.Name}.{d.Format}"), d.Format))];
        foreach (var ((_, file, format), (_, _, size)) in groups[group].Zip(disks)) VmReplCommand.Run(null, "image", "create", file, "--format", format, "--size", $"{size}MiB").MustSucceed();
        Pair.Run(["protect", group, .. groups[group].SelectMany(d => new[] { "--disk", $"{d.Name}={d.File},format={d.Format}" }), "--to", Relay.Address, "--capture", "served", "--ack", .. acknowledgement.Split(", ") is [var mode, var rule] ? new[] { mode, "--on-loss", rule } : [acknowledgement], "--no-wait"]).MustSucceed();
    }

    /// <summary>Restores a moment of a group from the replica's store as it lies there, or from a copy of it.</summary>
    /// <returns>The directory, with a raw file for each disk.</returns>
    public string Restore(string group, string at, string? store = null)
    {
        var target = Pair.Path($"restored-{Guid.NewGuid():N}");
        Pair.Run("restore-vm", group, "--to", target, "--at", at, "--format", "raw", "--store", store ?? Pair.Store).MustSucceed();
        return target;
    }

    public string DiskFile(string group, string disk) => groups[group].Single(d => d.Name == disk).File;

    public string LiveImage(string group, string disk) => Path.Combine(Pair.Store, "groups", group, "live", disk + ".vhdx");

    /// <summary>Opens a served disk.</summary>
    public NbdClient Connect(string group, string disk) => NbdClient.Connect(new NbdAddress.Unix(Pair.Path("a.nbd.sock")), $"{group}/{disk}");

    /// <summary>The group's state as the agent tells it.</summary>
    public JsonElement Status(string group) => (api ??= new AgentSocket(Pair.Socket)).Group(group);

    public JsonElement Following(string group) => Status(group).GetProperty("following");

    /// <summary>Waits until the state is such.</summary>
    public JsonElement Await(string group, string what, Func<JsonElement, bool> isSo)
    {
        for (var waited = Stopwatch.StartNew(); ; Thread.Sleep(50))
        {
            var status = Status(group);
            if (isSo(status)) return status;
            if (waited.Elapsed > Limit) throw new TimeoutException($"group {group} is not {what} after {Limit.TotalSeconds} s: {status}\n{Pair.Logs}");
        }
    }

    public void AwaitPhase(string group, string phase) => Await(group, phase, s => Phase(s) == phase);

    /// <summary>Waits until the replica follows; nothing needs to be quiet.</summary>
    public void AwaitInSync(string group) => Await(group, "in sync", s => Phase(s) == "in-sync" && s.GetProperty("following").GetProperty("promiseInForce").GetBoolean());

    /// <summary>Waits until nothing is on its way and nothing marked; nobody may write meanwhile.</summary>
    public void AwaitLevel(string group) => Await(group, "level", s => Phase(s) == "in-sync" && s.GetProperty("lagBytes").GetInt64() == 0);

    /// <summary>Ends both processes cleanly; each disk and its live image have one SHA-256.</summary>
    public void VerifyEqual(params string[] names)
    {
        foreach (var group in names) AwaitLevel(group);
        Assert.That(Pair.Agent!.Stop(), Is.Zero, Pair.Logs);
        Assert.That(Pair.Replica!.Stop(), Is.Zero, Pair.Logs);
        foreach (var group in names)
        {
            foreach (var (name, file, format) in groups[group])
            {
                var (source, live) = (Sha256(file, format), Sha256(LiveImage(group, name), "vhdx"));
                Assert.That(live, Is.EqualTo(source), $"group {group}, disk {name}");
                TestContext.Out.WriteLine($"{group}/{name} ({format}): disk and live image have SHA-256 {source[..16]}…");
            }
        }
    }

    /// <summary>SHA-256 of an image's contents, as qemu-img reads them.</summary>
    public string Sha256(string file, string format)
    {
        var raw = Raw(file, format);
        using var contents = File.OpenRead(raw);
        var hash = Convert.ToHexStringLower(SHA256.HashData(contents));
        if (raw != file) File.Delete(raw);
        return hash;
    }

    /// <summary>An image's contents as a raw file, made by qemu-img; the file itself where it is one.</summary>
    public string Raw(string file, string format)
    {
        if (format == "raw") return file;
        var raw = Pair.Path($"raw-{Guid.NewGuid():N}");
        ExternalTool.Run("qemu-img", "convert", "-f", format == "vhd" ? "vpc" : format, "-O", "raw", file, raw);
        return raw;
    }

    public void Dispose()
    {
        api?.Dispose();
        Pair.Dispose();
        Relay.Dispose();
    }

    private static string Phase(JsonElement status) => status.GetProperty("phase").GetString()!;
}
