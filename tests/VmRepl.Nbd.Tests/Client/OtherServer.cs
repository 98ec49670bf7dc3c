using System.Diagnostics;
using System.Net.Sockets;

namespace VmRepl.Nbd.Tests.Client;

/// <summary>An NBD server that other people wrote, in a directory of its own.</summary>
internal sealed class OtherServer : IDisposable
{
    private readonly Process process;

    /// <param name="arguments">Given the directory.</param>
    public OtherServer(string directory, NbdAddress address, string program, params string[] arguments)
    {
        Directory = directory;
        Address = address;
        process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        for (var waited = Stopwatch.StartNew(); !CanConnect(); Thread.Sleep(20))
        {
            if (process.HasExited || waited.Elapsed.TotalSeconds > 20) throw new AssertionException($"{program} {string.Join(' ', arguments)} did not come up: {(process.HasExited ? process.StandardError.ReadToEnd() : "")}");
        }
    }

    public string Directory { get; }

    public NbdAddress Address { get; }

    public static int FreePort()
    {
        using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        probe.Bind(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 0));
        return ((System.Net.IPEndPoint)probe.LocalEndPoint!).Port;
    }

    public void Dispose()
    {
        if (!process.HasExited) process.Kill();
        process.WaitForExit();
        process.Dispose();
    }

    private bool CanConnect()
    {
        try
        {
            // A socket that is there may not be listened on yet.
            using var socket = Address.NewSocket();
            socket.Connect(Address.EndPoint);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
