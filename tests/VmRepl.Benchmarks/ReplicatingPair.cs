using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;

namespace VmRepl.Benchmarks;

/// <summary>A replica and an agent as processes that talk over TCP on this host.</summary>
internal sealed class ReplicatingPair : IDisposable
{
    private readonly string vmrepl;
    private readonly string sockets = Directory.CreateTempSubdirectory("vmrepl-bench-").FullName;
    private readonly string directory;
    private readonly string address;
    private Process? replica;
    private Process? agent;

    /// <param name="configuration">The agent's, JSON.</param>
    public ReplicatingPair(string vmrepl, string directory, string configuration = "{}")
    {
        this.vmrepl = vmrepl;
        this.directory = directory;
        Directory.CreateDirectory(directory);
        Port = FreePort();
        address = string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{Port}");
        var config = Path.Combine(directory, "agent.json");
        File.WriteAllText(config, configuration);
        try
        {
            replica = CommandLineTool.Start(() => CanConnect(new IPEndPoint(IPAddress.Loopback, Port), AddressFamily.InterNetwork), vmrepl, "replica", "--store", Store, "--listen", address);
            agent = CommandLineTool.Start(() => CanConnect(new UnixDomainSocketEndPoint(Socket), AddressFamily.Unix), vmrepl, "agent", "--state", Path.Combine(directory, "state"), "--socket", Socket, "--config", config);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The replica's.</summary>
    public int Port { get; }

    public string Store => Path.Combine(directory, "store");

    /// <summary>Processor time that both have used.</summary>
    public (TimeSpan Agent, TimeSpan Replica) ProcessorTime => (Used(agent), Used(replica));

    /// <summary>Where served disks are, by the names GROUP/disk.</summary>
    public string NbdSocket => Path.Combine(sockets, "agent.nbd.sock");

    /// <summary>Memory of the agent that is its own: what it shares with files in the page cache left out.</summary>
    public long AgentMemoryBytes => File.ReadLines($"/proc/{agent!.Id}/status").Where(l => l.StartsWith("RssAnon:", StringComparison.Ordinal)).Select(l => long.Parse(l.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024).Single();

    private string Socket => Path.Combine(sockets, "agent.sock");

    /// <summary>Returns when the first point is durable.</summary>
    public void Protect(string group, string disk) => CommandLineTool.Run(vmrepl, "protect", group, "--disk", $"disk={disk},format=qcow2", "--to", address, "--socket", Socket);

    /// <summary>Begins to serve a raw disk; returns when the replica is in sync.</summary>
    /// <param name="acknowledgement">As <c>--ack</c> takes it.</param>
    /// <param name="to">Where the replica is reached, where that is not its own address.</param>
    public void Serve(string group, string disk, string acknowledgement, string? to = null)
    {
        CommandLineTool.Run(vmrepl, "protect", group, "--disk", $"disk={disk},format=raw", "--to", to ?? address, "--capture", "served", "--ack", acknowledgement, "--socket", Socket);
        Sync(group);
    }

    /// <summary>Of a served group with one disk.</summary>
    public string NbdUri(string group)
    {
        using var json = JsonDocument.Parse(CommandLineTool.Run(vmrepl, "serve", group, "--json", "--socket", Socket));
        return json.RootElement.GetProperty("exports")[0].GetProperty("uri").GetString()!;
    }

    /// <summary>Waits until nothing is on its way to the replica.</summary>
    public void AwaitLevel(string group)
    {
        while (true)
        {
            using var json = JsonDocument.Parse(CommandLineTool.Run(vmrepl, "status", "--json", "--socket", Socket));
            var status = json.RootElement.GetProperty("groups").EnumerateArray().Single(g => g.GetProperty("name").GetString() == group);
            if (status.GetProperty("lagBytes").GetInt64() == 0) return;
            Thread.Sleep(50);
        }
    }

    /// <summary>Returns when the round's point is durable.</summary>
    public void Sync(string group) => CommandLineTool.Run(vmrepl, "sync", group, "--socket", Socket);

    /// <summary>The live image of the group's disk.</summary>
    public string LiveImage(string group) => Path.Combine(Store, "groups", group, "live", "disk.vhdx");

    /// <summary>Ends both; the store stays.</summary>
    public void Stop()
    {
        CommandLineTool.Stop(agent);
        CommandLineTool.Stop(replica);
        agent = replica = null;
    }

    public void Dispose()
    {
        Stop();
        Directory.Delete(directory, recursive: true);
        Directory.Delete(sockets, recursive: true);
    }

    private static TimeSpan Used(Process? process)
    {
        process?.Refresh();
        return process?.TotalProcessorTime ?? TimeSpan.Zero;
    }

    private static bool CanConnect(EndPoint endPoint, AddressFamily family)
    {
        using var socket = new Socket(family, SocketType.Stream, family == AddressFamily.Unix ? ProtocolType.Unspecified : ProtocolType.Tcp);
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

    private static int FreePort()
    {
        using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        probe.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)probe.LocalEndPoint!).Port;
    }
}
