namespace VmRepl.Protocol.Connections;

/// <summary>
/// Bytes both ways, in order, to one peer. One send and one receive may run at a time, beside each other. Every failure of the way itself is a
/// <see cref="ConnectionLostException"/>; disposing ends whatever is under way.
/// </summary>
public interface ITransport : IAsyncDisposable
{
    /// <summary>Who is at the other end, for messages and logs.</summary>
    string Peer { get; }

    /// <summary>Sends all of it.</summary>
    ValueTask SendAsync(ReadOnlyMemory<byte> data, CancellationToken cancellation);

    /// <summary>Waits for at least one byte. Returns how many came; 0 when the peer has closed its side.</summary>
    ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellation);
}
