namespace VmRepl.Agent.Commands.Arguments;

/// <summary>A TCP address.</summary>
/// <param name="Host">A name, an IPv4 address, or an IPv6 address without its brackets.</param>
/// <param name="Port">1 to 65535; 0, for any free one, only where something listens.</param>
public sealed record PeerAddress(string Host, int Port)
{
    /// <summary>HOST:PORT, an IPv6 address in brackets: what <c>--to</c> reads.</summary>
    public override string ToString() => Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]:{Port}" : $"{Host}:{Port}";
}
