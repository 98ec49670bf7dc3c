namespace VmRepl.Nbd.Transport;

/// <summary>A connection's bytes, blocking. One thread receives and one sends at a time.</summary>
internal interface INbdTransport : IDisposable
{
    /// <returns>0 at the end.</returns>
    /// <exception cref="IOException">The connection broke, or nothing came within the deadline.</exception>
    int Receive(Span<byte> buffer);

    /// <exception cref="IOException">The connection broke, or the other side takes nothing.</exception>
    void Send(ReadOnlySpan<byte> data);

    /// <summary>Ends both directions at once, from any thread: whoever waits in them comes back.</summary>
    void Abort();
}
