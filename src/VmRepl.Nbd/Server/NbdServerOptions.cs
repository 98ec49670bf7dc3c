using System.Net.Security;

namespace VmRepl.Nbd.Server;

/// <summary>How a server treats its clients.</summary>
public sealed record NbdServerOptions
{
    /// <summary>With these, a client has to begin TLS before anything else; null: TLS is not offered.</summary>
    public SslServerAuthenticationOptions? Tls { get; init; }

    /// <summary>Most clients at a time; others wait to be accepted. 1 to 65536.</summary>
    public int ConnectionsMax { get; init; } = 1024;

    /// <summary>Most requests of one client that are carried out at a time; further ones wait in its socket. 1 to 256.</summary>
    public int RequestsMax { get; init; } = 16;

    /// <summary>How long a client may take until it has opened an export.</summary>
    public TimeSpan NegotiationMax { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a client may take no byte of an answer until it is taken for dead.</summary>
    public TimeSpan SendStallMax { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long a server that is stopped waits for requests under way.</summary>
    public TimeSpan StopMax { get; init; } = TimeSpan.FromSeconds(10);
}
