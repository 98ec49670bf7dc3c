using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace VmRepl.Protocol.Security;

/// <summary>Looks at one peer's certificate during one TLS handshake and keeps, in words, what is wrong with it.</summary>
/// <param name="expectedHost">The host that was dialled, which the certificate must name; null where the peer dialled us.</param>
internal sealed class PeerVerification(string? expectedHost)
{
    /// <summary>What is wrong; null as long as nothing is.</summary>
    public string? Problem { get; private set; } = "it showed no certificate";

    public PeerIdentity? Identity { get; private set; }

    /// <summary>
    /// Keeps the verdict and lets the handshake come to its end; whoever calls looks at <see cref="Problem"/> before a byte is exchanged.
    /// </summary>
    /// <returns>Whether the verdict is of one piece, an identity or a problem, which it always is.</returns>
    public bool Note(X509Certificate? shown, X509Chain? chain, SslPolicyErrors errors)
    {
        Identity = null;
        Problem = Find(shown as X509Certificate2, chain, errors);
        return (Problem is null) == (Identity is not null);
    }

    private string? Find(X509Certificate2? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        if (certificate is null || errors.HasFlag(SslPolicyErrors.RemoteCertificateNotAvailable)) return "it showed no certificate";
        var subject = $"its certificate ({certificate.Subject})";
        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateChainErrors)) return $"{subject} {Describe(certificate, chain)}";
        if (expectedHost is not null && !certificate.MatchesHostname(expectedHost, allowWildcards: true, allowCommonName: false))
            return $"{subject} does not name {expectedHost} as a DNS name or IP address";
        // A name that the line above found and the platform did not is a disagreement to be safe about.
        if (errors != SslPolicyErrors.None) return $"{subject} was refused: {errors}";
        try
        {
            Identity = PeerIdentity.Of(certificate);
            return null;
        }
        catch (ProtocolException fault)
        {
            return $"{subject}: {fault.Message}";
        }
    }

    private static string Describe(X509Certificate2 certificate, X509Chain? chain)
    {
        var status = chain?.ChainStatus.Aggregate(X509ChainStatusFlags.NoError, (all, one) => all | one.Status) ?? X509ChainStatusFlags.NoError;
        if ((status & (X509ChainStatusFlags.PartialChain | X509ChainStatusFlags.UntrustedRoot | X509ChainStatusFlags.NotSignatureValid)) != 0)
            return "was not issued by the configured authority";
        if (status.HasFlag(X509ChainStatusFlags.NotTimeValid)) return $"holds from {certificate.NotBefore.ToUniversalTime():u} to {certificate.NotAfter.ToUniversalTime():u} only";
        if (status.HasFlag(X509ChainStatusFlags.NotValidForUsage)) return "was not issued for this use (extended key usage: the dialling side needs clientAuth, the listening side serverAuth)";
        return $"was refused: {status}";
    }
}
