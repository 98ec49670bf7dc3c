namespace VmRepl.Protocol.Connections;

/// <summary>The way to a peer broke, or never came about. Nothing is said about what the peer did with what was sent; trying again may help.</summary>
public sealed class ConnectionLostException : IOException
{
    /// <param name="peer">Who was at the other end.</param>
    /// <param name="problem">What happened, as the end of a sentence.</param>
    public ConnectionLostException(string peer, string problem, Exception? cause = null)
        : base($"connection to {peer}: {problem}", cause) => Peer = peer;

    public string Peer { get; }

    /// <summary>Whether the same call may succeed later.</summary>
    public bool IsTransient { get; init; } = true;
}
