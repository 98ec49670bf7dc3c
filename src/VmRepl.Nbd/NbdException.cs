namespace VmRepl.Nbd;

/// <summary>The other side broke the protocol, refused, or went away. The connection is of no more use.</summary>
public sealed class NbdException(string peer, string message, Exception? cause = null) : IOException($"{peer}: {message}", cause)
{
    /// <summary>Who the other side is, for messages.</summary>
    public string Peer { get; } = peer;
}
