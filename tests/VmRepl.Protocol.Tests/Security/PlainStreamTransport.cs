using VmRepl.Protocol.Connections;

namespace VmRepl.Protocol.Tests.Security;

/// <summary>Any stream as a transport: a client that is not ours.</summary>
internal sealed class PlainStreamTransport(Stream stream) : ITransport
{
    public string Peer => "a stream";

    public ValueTask SendAsync(ReadOnlyMemory<byte> data, CancellationToken cancellation) => stream.WriteAsync(data, cancellation);

    public ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellation) => stream.ReadAsync(buffer, cancellation);

    public ValueTask DisposeAsync() => stream.DisposeAsync();
}
