namespace VmRepl.Protocol.Security;

/// <summary>A peer is not who it would have to be, or we are not to the peer. Trying again does not help; somebody has to look at a certificate.</summary>
public sealed class PeerAuthenticationException : Exception
{
    /// <param name="peer">Who was at the other end.</param>
    /// <param name="problem">What is wrong, as a sentence that names whose certificate it is.</param>
    /// <param name="hint">The next step.</param>
    public PeerAuthenticationException(string peer, string problem, string hint, Exception? cause = null)
        : base($"connection to {peer}: {problem}", cause)
    {
        Peer = peer;
        Hint = hint;
    }

    public string Peer { get; }

    public string Hint { get; }
}
