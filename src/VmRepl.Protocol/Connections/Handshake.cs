using VmRepl.Protocol.Messages;

namespace VmRepl.Protocol.Connections;

/// <summary>The first two messages of a connection: hello, and welcome or refusal (docs/protocol.md, "Negotiation").</summary>
public static class Handshake
{
    /// <summary>Says hello and waits to be welcomed.</summary>
    /// <exception cref="RefusedException">The peer will not have us.</exception>
    /// <exception cref="ProtocolException">The peer answered with something else, or chose what was not offered.</exception>
    /// <exception cref="ConnectionLostException">The peer closed instead of answering.</exception>
    public static async ValueTask<Welcome> GreetAsync(FramedConnection connection, Hello hello, CancellationToken cancellation)
    {
        try
        {
            await connection.SendAsync(hello, cancellation).ConfigureAwait(false);
        }
        catch (ConnectionLostException)
        {
            // A peer that refuses our certificate may say so and close before we have said a word: its reason is worth more than a broken pipe.
            if (await TryReadRefusalAsync(connection, cancellation).ConfigureAwait(false) is { } reason) throw new RefusedException(connection.Peer, reason);
            throw;
        }

        switch (await connection.ReceiveAsync(cancellation).ConfigureAwait(false))
        {
            case Welcome welcome when welcome.Protocol < hello.ProtocolMin || welcome.Protocol > hello.ProtocolMax:
                throw new ProtocolException("welcome protocol", -1, $"{hello.ProtocolMin} to {hello.ProtocolMax}", $"{welcome.Protocol}");
            case Welcome welcome when welcome.Capabilities.Except(hello.Capabilities, StringComparer.Ordinal).FirstOrDefault() is { } unasked:
                throw new ProtocolException("welcome capabilities", -1, "some of those in the hello", unasked);
            case Welcome welcome: return welcome;
            case Refusal refusal: throw new RefusedException(connection.Peer, refusal);
            case null: throw new ConnectionLostException(connection.Peer, "it was closed before the peer said welcome; the peer's log says why");
            case var other: throw new ProtocolException("message type", -1, "a welcome or a refusal", $"{other.Type}");
        }
    }

    /// <summary>Waits for a hello and welcomes it; where no version is common, refuses it.</summary>
    /// <param name="connection">A connection that nothing was received on yet.</param>
    /// <param name="offer">The welcome as this side would give it: its version is the newest spoken here, its capabilities are all there are.</param>
    /// <returns>The hello, and the welcome that was sent; null when the peer closed without a word.</returns>
    /// <exception cref="RefusedException">No version is common, and the peer was told; or the peer does not want us.</exception>
    /// <exception cref="ProtocolException">Something else came first.</exception>
    public static async ValueTask<(Hello Hello, Welcome Welcome)?> AnswerAsync(FramedConnection connection, Welcome offer, CancellationToken cancellation)
    {
        var first = await connection.ReceiveAsync(cancellation).ConfigureAwait(false);
        if (first is null) return null;
        if (first is Refusal refused) throw new RefusedException(connection.Peer, refused);
        if (first is not Hello hello) throw new ProtocolException("message type", -1, "a hello", $"{first.Type}");
        if (Negotiation.ChooseVersion(ProtocolVersion.Oldest, offer.Protocol, hello.ProtocolMin, hello.ProtocolMax) is not { } version)
        {
            var refusal = new Refusal(
                RefusalCode.Version,
                $"{offer.Software} speaks protocol {ProtocolVersion.Oldest} to {offer.Protocol}, {hello.Software} speaks {hello.ProtocolMin} to {hello.ProtocolMax}",
                "Update the older of the two.");
            await connection.SendAsync(refusal, cancellation).ConfigureAwait(false);
            throw new RefusedException(connection.Peer, refusal);
        }

        var welcome = offer with { Protocol = version, Capabilities = Negotiation.CommonCapabilities(offer.Capabilities, hello.Capabilities) };
        await connection.SendAsync(welcome, cancellation).ConfigureAwait(false);
        return (hello, welcome);
    }

    private static async ValueTask<Refusal?> TryReadRefusalAsync(FramedConnection connection, CancellationToken cancellation)
    {
        try
        {
            return await connection.ReceiveAsync(cancellation).ConfigureAwait(false) as Refusal;
        }
        catch (Exception fault) when (fault is ConnectionLostException or ProtocolException)
        {
            return null;
        }
    }
}
