using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using VmRepl.Protocol.Security;

namespace VmRepl.Replication.Tests.Stage;

/// <summary>What a certificate for one group says of its holder.</summary>
internal static class TestIdentity
{
    public static PeerIdentity For(string group)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=test", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddUri(new Uri(PeerIdentity.GroupUriPrefix + group));
        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        return PeerIdentity.Of(certificate);
    }
}
