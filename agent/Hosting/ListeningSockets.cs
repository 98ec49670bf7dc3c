using System.Net;
using System.Net.Sockets;
using VmRepl.Agent.Output;
using VmRepl.Blocks.Files;
using VmRepl.Protocol.Security;

namespace VmRepl.Agent.Hosting;

/// <summary>Opens sockets that listen, with every failure put into words.</summary>
internal static class ListeningSockets
{
    private const int Backlog = 128;

    /// <param name="option">Which option named the host, for the hint.</param>
    public static async Task<IPEndPoint> ResolveAsync(string host, int port, string option, CancellationToken cancellation)
    {
        if (IPAddress.TryParse(host, out var literal)) return new IPEndPoint(literal, port);
        if (host == "localhost") return new IPEndPoint(IPAddress.Loopback, port);
        try
        {
            return new IPEndPoint((await Dns.GetHostAddressesAsync(host, cancellation))[0], port);
        }
        catch (SocketException e)
        {
            throw new CommandFailure($"The host {host} cannot be resolved: {e.Message}.", $"Give {option} an address of this machine.", cause: e);
        }
    }

    /// <summary>Refuses what would be open to everybody.</summary>
    public static void Check(EndPoint at, bool hasCertificates)
    {
        try
        {
            ListenRule.Check(at, hasCertificates);
        }
        catch (UnsafeListenException e)
        {
            throw CommandFailure.Refused(e.Message, e.Hint, cause: e);
        }
    }

    /// <summary>A Unix socket is for this user alone.</summary>
    public static Socket Listen(EndPoint at)
    {
        var socket = new Socket(at.AddressFamily, SocketType.Stream, at is IPEndPoint ? ProtocolType.Tcp : ProtocolType.Unspecified);
        try
        {
            if (at is IPEndPoint) socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
            socket.Bind(at);
            if (at is UnixDomainSocketEndPoint && !OperatingSystem.IsWindows()) File.SetUnixFileMode(at.ToString()!, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            socket.Listen(Backlog);
            return socket;
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw new CommandFailure($"Cannot listen on {at}: {e.Message}.", "Another process may be using it: choose another address, or stop that one.", cause: e);
        }
    }

    /// <summary>Removes a socket that a process which died left behind. One that answers stays, and so does whatever is no socket.</summary>
    /// <param name="what">Who would be answering, for the message.</param>
    /// <param name="option">Which option names the path, for the hint.</param>
    public static void RemoveStale(string path, string what, string option)
    {
        if (!File.Exists(path)) return;
        // Connecting to a file is refused just as connecting to a dead socket is.
        if (HostFileType.IsRegular(path)) throw CommandFailure.Refused($"{path} is a file, and no socket to be replaced.", $"Give {option} another path.");
        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(path));
        }
        catch (SocketException)
        {
            File.Delete(path);
            return;
        }

        throw CommandFailure.Refused($"{what} answers on {path}.", $"Stop that one first, or give this one another {option}.");
    }
}
