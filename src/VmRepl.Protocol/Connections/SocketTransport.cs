using System.Net;
using System.Net.Sockets;

namespace VmRepl.Protocol.Connections;

/// <summary>A plain socket, TCP or Unix.</summary>
public sealed class SocketTransport : ITransport
{
    private readonly Socket socket;

    /// <param name="socket">Connected; belongs to the transport from here on.</param>
    /// <param name="peer">How to name the other end; by default its address.</param>
    public SocketTransport(Socket socket, string? peer = null)
    {
        this.socket = socket;
        SocketOptions.Apply(socket);
        Peer = peer ?? SocketOptions.NameOf(socket);
    }

    public string Peer { get; }

    /// <exception cref="ConnectionLostException">Nobody answers there.</exception>
    public static async ValueTask<SocketTransport> ConnectAsync(EndPoint endPoint, CancellationToken cancellation)
    {
        var peer = SocketOptions.NameOf(endPoint);
        return new SocketTransport(await SocketOptions.ConnectAsync(endPoint, peer, cancellation).ConfigureAwait(false), peer);
    }

    public async ValueTask SendAsync(ReadOnlyMemory<byte> data, CancellationToken cancellation)
    {
        try
        {
            while (!data.IsEmpty)
            {
                var count = await socket.SendAsync(data, SocketFlags.None, cancellation).ConfigureAwait(false);
                data = data[count..];
            }
        }
        catch (Exception fault) when (fault is SocketException or ObjectDisposedException)
        {
            throw new ConnectionLostException(Peer, SocketOptions.Describe("could not send", fault), fault);
        }
    }

    public async ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellation)
    {
        try
        {
            return await socket.ReceiveAsync(buffer, SocketFlags.None, cancellation).ConfigureAwait(false);
        }
        catch (Exception fault) when (fault is SocketException or ObjectDisposedException)
        {
            throw new ConnectionLostException(Peer, SocketOptions.Describe("could not receive", fault), fault);
        }
    }

    public ValueTask DisposeAsync()
    {
        SocketOptions.Close(socket);
        return ValueTask.CompletedTask;
    }
}
