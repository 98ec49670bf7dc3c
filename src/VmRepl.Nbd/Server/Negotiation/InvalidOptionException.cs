using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Server;

/// <summary>An option that is answered with an error; the negotiation goes on.</summary>
internal sealed class InvalidOptionException(string message, NbdOptionReply kind = NbdOptionReply.Invalid) : Exception(message)
{
    public NbdOptionReply Kind { get; } = kind;
}
