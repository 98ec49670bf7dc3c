using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace VmRepl.EndToEnd.Security;

/// <summary>A certificate authority of the test's own; writes PEM files as an administrator would have them.</summary>
internal sealed class TestAuthority : IDisposable
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1", ClientAuthentication = "1.3.6.1.5.5.7.3.2";

    private readonly string directory;
    private readonly X509Certificate2 authority;

    public TestAuthority(string directory, string name)
    {
        this.directory = directory;
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        authority = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddYears(-2), DateTimeOffset.UtcNow.AddYears(2));
        File = Path.Combine(directory, $"{name}.pem");
        System.IO.File.WriteAllText(File, authority.ExportCertificatePem());
    }

    /// <summary>The authority's certificate.</summary>
    public string File { get; }

    /// <summary>Issues a certificate for 127.0.0.1 and the given groups.</summary>
    /// <param name="trusted">The file of the authority that the holder believes; null for this one.</param>
    /// <returns>The three options that name it on a command line.</returns>
    public string[] Issue(string name, string[] groups, TimeSpan? validUntil = null, string? trusted = null)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        foreach (var group in groups) names.AddUri(new Uri($"vmrepl:group:{group}"));
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(ServerAuthentication), new Oid(ClientAuthentication)], false));
        using var issued = request.Create(authority, DateTimeOffset.UtcNow.AddYears(-1), DateTimeOffset.UtcNow + (validUntil ?? TimeSpan.FromDays(30)), RandomNumberGenerator.GetBytes(16));
        var (certificateFile, keyFile) = (Path.Combine(directory, $"{name}.crt"), Path.Combine(directory, $"{name}.key"));
        System.IO.File.WriteAllText(certificateFile, issued.ExportCertificatePem());
        System.IO.File.WriteAllText(keyFile, key.ExportPkcs8PrivateKeyPem());
        return ["--certificate", certificateFile, "--key", keyFile, "--authority", trusted ?? File];
    }

    public void Dispose() => authority.Dispose();
}
