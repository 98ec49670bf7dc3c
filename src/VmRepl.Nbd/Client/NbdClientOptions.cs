using System.Net.Security;

namespace VmRepl.Nbd.Client;

/// <summary>How a client connects and how long it waits.</summary>
public sealed record NbdClientOptions
{
    /// <summary>Block-status contexts to ask for beside <c>base:allocation</c>; which of them there are is known afterwards.</summary>
    public IReadOnlyList<string> Contexts { get; init; } = [];

    /// <summary>With these the client begins TLS and goes on only over it; null: in the clear.</summary>
    public SslClientAuthenticationOptions? Tls { get; init; }

    /// <summary>Connecting and agreeing together. Default 30 s.</summary>
    public TimeSpan ConnectMax { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>One request, from its sending to the end of its answer; then the connection is given up. Default 60 s.</summary>
    public TimeSpan RequestMax { get; init; } = TimeSpan.FromSeconds(60);
}
