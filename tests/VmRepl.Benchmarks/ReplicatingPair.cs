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

    public ReplicatingPair(string vmrepl, string directory)
    {
        this.vmrepl = vmrepl;
        this.directory = directory;
        Directory.CreateDirectory(directory);
        Port = FreePort();
        address = string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{Port}");
        try
        {
            replica = CommandLineTool.Start(() => CanConnect(new IPEndPoint(IPAddress.Loopback, Port), AddressFamily.InterNetwork), vmrepl, "replica", "--store", Store, "--listen", address);
            agent = CommandLineTool.Start(() => CanConnect(new UnixDomainSocketEndPoint(Socket), AddressFamily.Unix), vmrepl, "agent", "--state", Path.Combine(directory, "state"), "--socket", Socket);
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

    private string Socket => Path.Combine(sockets, "agent.sock");

    /// <summary>Returns when the first point is durable.</summary>
    public void Protect(string group, string disk) => CommandLineTool.Run(vmrepl, "protect", group, "--disk", $"disk={disk},format=qcow2", "--to", address, "--socket", Socket);

    /// <summary>Serves a raw disk and follows it, async; returns when the first point is durable.</summary>
    /// <param name="to">Where the replica is reached.</param>
    public void ProtectServed(string group, string disk, string to) => CommandLineTool.Run(vmrepl, "protect", group, "--disk", $"disk={disk},format=raw", "--to", to, "--capture", "served", "--socket", Socket);

    /// <summary>The NBD URI of a served group's disk.</summary>
    public string Uri(string group)
    {
        using var served = JsonDocument.Parse(CommandLineTool.Run(vmrepl, "serve", group, "--json", "--socket", Socket));
        return served.RootElement.GetProperty("exports")[0].GetProperty("uri").GetString()!;
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
