using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using VmRepl.Protocol.Security;

namespace VmRepl.Protocol.Tests.Security;

/// <summary>An authority made for one test, and the certificates that it issues.</summary>
internal sealed class TestAuthority : IDisposable
{
    private static readonly DateTimeOffset Now = DateTimeOffset.UtcNow;
    private readonly ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly X509Certificate2 certificate;

    public TestAuthority(string name = "Test authority")
    {
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        certificate = request.CreateSelfSigned(Now.AddYears(-5), Now.AddYears(5));
    }

    public string Pem => certificate.ExportCertificatePem();

    public PeerCertificates Issue(
        string name, string[]? groups = null, string[]? hosts = null, DateTimeOffset? from = null, DateTimeOffset? until = null, string? trust = null, string? purpose = null)
    {
        var (leaf, leafKey) = IssuePem(name, groups, hosts, from, until, purpose);
        return PeerCertificates.FromPem(leaf, leafKey, trust ?? Pem);
    }

    public (string Certificate, string Key) IssuePem(
        string name, string[]? groups = null, string[]? hosts = null, DateTimeOffset? from = null, DateTimeOffset? until = null, string? purpose = null)
    {
        using var leafKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", leafKey, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        if (purpose is not null) request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(purpose)], false));
        var names = new SubjectAlternativeNameBuilder();
        foreach (var host in hosts ?? ["localhost", "127.0.0.1"])
        {
            if (IPAddress.TryParse(host, out var address)) names.AddIpAddress(address);
            else names.AddDnsName(host);
        }

        foreach (var group in groups ?? []) names.AddUri(new Uri(PeerIdentity.GroupUriPrefix + group));
        request.CertificateExtensions.Add(names.Build());
        var serial = RandomNumberGenerator.GetBytes(8);
        using var leaf = request.Create(certificate, from ?? Now.AddDays(-1), until ?? Now.AddDays(30), serial);
        return (leaf.ExportCertificatePem(), leafKey.ExportPkcs8PrivateKeyPem());
    }

    public void Dispose()
    {
        certificate.Dispose();
        key.Dispose();
    }
}
