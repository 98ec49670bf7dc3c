using VmRepl.Nbd;

namespace VmRepl.Agent.Commands.Arguments;

/// <summary><c>vmrepl replica</c>.</summary>
/// <param name="Store">Full path of the store's directory.</param>
/// <param name="Listen">Where to listen.</param>
/// <param name="Certificates">Null to listen without TLS, which is right on loopback only.</param>
/// <param name="Nbd">Where to serve NBD; null for nowhere.</param>
/// <param name="Journal">Limits that go before the configuration's.</param>
public sealed record ReplicaArguments(string Store, PeerAddress Listen, CertificateFiles? Certificates, JournalArguments Journal, NbdAddress? Nbd = null)
{
    /// <summary>Directories that seeds may lie in, beside the configuration's.</summary>
    public IReadOnlyList<string> Seeds { get; init; } = [];
}
