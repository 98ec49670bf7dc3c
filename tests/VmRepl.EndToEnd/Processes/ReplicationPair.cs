using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;

namespace VmRepl.EndToEnd.Processes;

/// <summary>A replica and an agent as two processes on this machine, talking over TCP, in a directory of their own that goes when they go.</summary>
internal sealed class ReplicationPair : IDisposable
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(30);
    private readonly List<string> logs = [];

    /// <param name="root">A directory that becomes the pair's; null for a new one.</param>
    public ReplicationPair(string? root = null)
    {
        Root = root ?? Directory.CreateTempSubdirectory("vmrepl-e2e-").FullName;
        Store = Path("store");
        Port = FreePort();
    }

    public string Root { get; }

    /// <summary>The replica's store; in the pair's directory where not said otherwise before the start.</summary>
    public string Store { get; set; }

    public string Socket => Path("a.sock");

    public int Port { get; }

    public string Address => $"127.0.0.1:{Port}";

    /// <summary>Arguments of the agent beyond its state and socket.</summary>
    public IReadOnlyList<string> AgentArguments { get; init; } = [];

    public IReadOnlyDictionary<string, string> AgentEnvironment { get; init; } = new Dictionary<string, string>();

    /// <summary>Arguments of the replica beyond its store and address, from its next start on.</summary>
    public IReadOnlyList<string> ReplicaArguments { get; set; } = [];

    public IReadOnlyDictionary<string, string> ReplicaEnvironment { get; init; } = new Dictionary<string, string>();

    public VmReplService? Agent { get; private set; }

    public VmReplService? Replica { get; private set; }

    /// <summary>What both logged, in all their lives; for an assertion's message.</summary>
    public string Logs => string.Join('\n', [.. logs, "--- agent", Agent?.Log ?? "", "--- replica", Replica?.Log ?? ""]);

    public string Path(string name) => System.IO.Path.Combine(Root, name);

    public ReplicationPair Start()
    {
        StartReplica();
        StartAgent();
        return this;
    }

    public void StartReplica()
    {
        Keep(Replica);
        Replica = new VmReplService(ReplicaEnvironment, ["replica", "--store", Store, "--listen", Address, .. ReplicaArguments]);
        Await(Replica, new IPEndPoint(IPAddress.Loopback, Port));
    }

    public void StartAgent()
    {
        Keep(Agent);
        Agent = new VmReplService(AgentEnvironment, ["agent", "--state", Path("state"), "--socket", Socket, .. AgentArguments]);
        Await(Agent, new UnixDomainSocketEndPoint(Socket));
    }

    /// <summary>The bad day: both are gone, the store's directory is left.</summary>
    public void KillBoth()
    {
        Agent!.Kill();
        Replica!.Kill();
    }

    /// <summary>A command that talks to the agent, with --json.</summary>
    public CommandResult Run(params string[] arguments) => VmReplCommand.Run(Socket, [.. arguments, "--json"]);

    public RunningCommand Begin(params string[] arguments) => VmReplCommand.Start(Socket, [.. arguments, "--json"]);

    /// <summary>Protects and waits for the baseline.</summary>
    public CommandResult Protect(string group, params string[] disks) =>
        Run(["protect", group, .. disks.SelectMany(d => new[] { "--disk", d }), "--to", Address]);

    public JsonElement Sync(string group) => Run("sync", group).MustSucceed().Json;

    public void Bookmark(string group, string name) => Run("bookmark", group, name).MustSucceed();

    /// <summary>Waits until the running round of a group waits for something; what.</summary>
    public string AwaitWaiting(string group)
    {
        var waited = Stopwatch.StartNew();
        while (true)
        {
            if (Status(group).GetProperty("waiting").GetString() is { } waiting) return waiting;
            if (waited.Elapsed > StartLimit) throw new AssertionException($"it never waited\n{Logs}");
            Thread.Sleep(50);
        }
    }

    public JsonElement Status(string group) => Run("status", group).MustSucceed().Json.GetProperty("groups")[0];

    /// <summary>The group's points, from wherever <paramref name="source"/> says; by default the agent.</summary>
    public IReadOnlyList<JsonElement> Points(string group, params string[] source) =>
        [.. Run(["points", group, .. source]).MustSucceed().Json.GetProperty("points").EnumerateArray()];

    public void Dispose()
    {
        Agent?.Dispose();
        Replica?.Dispose();
        Directory.Delete(Root, recursive: true);
    }

    public static int FreePort()
    {
        using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        probe.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)probe.LocalEndPoint!).Port;
    }

    private void Keep(VmReplService? earlier)
    {
        if (earlier is null) return;
        Assert.That(earlier.HasExited, "two at once");
        logs.Add(earlier.Log);
        earlier.Dispose();
    }

    public static void Await(VmReplService service, EndPoint endPoint)
    {
        var waited = Stopwatch.StartNew();
        while (!CanConnect(endPoint))
        {
            if (service.HasExited || waited.Elapsed > StartLimit) throw new AssertionException($"it did not come up\n{service.Log}");
            Thread.Sleep(20);
        }
    }

    private static bool CanConnect(EndPoint endPoint)
    {
        using var socket = endPoint is IPEndPoint ? new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp) : new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(endPoint);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
