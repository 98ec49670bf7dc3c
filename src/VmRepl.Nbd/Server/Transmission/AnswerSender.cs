using VmRepl.Nbd.Transport;

namespace VmRepl.Nbd.Server;

/// <summary>Sends whole answers of many threads over one connection, one after the other.</summary>
internal sealed class AnswerSender(INbdTransport transport)
{
    private readonly Lock gate = new();

    /// <exception cref="IOException">The connection broke, or the client takes nothing.</exception>
    public void Send(ReadOnlySpan<byte> answers)
    {
        lock (gate) transport.Send(answers);
    }
}
