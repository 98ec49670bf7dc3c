using VmRepl.Protocol.Messages;

namespace VmRepl.Protocol.Connections;

/// <summary>The peer was reached and said no: the <see cref="Refusal"/> or <see cref="Failure"/> that it answered with.</summary>
public sealed class RefusedException : Exception
{
    public RefusedException(string peer, Refusal refusal)
        : this(peer, refusal.Code, refusal.Message, refusal.Hint)
    {
    }

    public RefusedException(string peer, Failure failure)
        : this(peer, failure.Code, failure.Message, failure.Hint)
    {
    }

    private RefusedException(string peer, string code, string message, string hint)
        : base(message)
    {
        Peer = peer;
        Code = code;
        Hint = hint;
    }

    public string Peer { get; }

    /// <summary>One of <see cref="RefusalCode"/>.</summary>
    public string Code { get; }

    /// <summary>The next step, as the peer sees it; may be empty.</summary>
    public string Hint { get; }
}
