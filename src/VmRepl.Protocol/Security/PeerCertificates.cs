using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace VmRepl.Protocol.Security;

/// <summary>
/// What this side shows to its peers and whom it believes. Peers are verified against the given authority and nothing else: the system's own
/// authorities count for nothing here, and nothing is fetched from anywhere (no revocation lists, no missing issuers).
/// </summary>
public sealed class PeerCertificates : IDisposable
{
    private const string ServerAuthenticationOid = "1.3.6.1.5.5.7.3.1";
    private const string ClientAuthenticationOid = "1.3.6.1.5.5.7.3.2";
    private const long MaxFileBytes = 1 << 20;

    private readonly X509Certificate2 own;
    private readonly X509Certificate2Collection intermediates;
    private readonly X509Certificate2Collection authorities;
    private readonly SslStreamCertificateContext context;

    private PeerCertificates(X509Certificate2 own, X509Certificate2Collection intermediates, X509Certificate2Collection authorities)
    {
        this.own = own;
        this.intermediates = intermediates;
        this.authorities = authorities;
        // Offline: the chain is what the file holds.
        context = SslStreamCertificateContext.Create(own, intermediates, offline: true);
    }

    /// <summary>The certificate's subject.</summary>
    public string Subject => own.Subject;

    /// <summary>Until when this side's own certificate holds.</summary>
    public DateTimeOffset ExpiresAt => own.NotAfter;

    /// <summary>Reads the three PEM files.</summary>
    /// <param name="certificatePem">This side's certificate, and after it any intermediate ones.</param>
    /// <param name="keyPem">Its private key, not encrypted.</param>
    /// <param name="authorityPem">The authority, or several, that peers' certificates must come from.</param>
    /// <exception cref="CertificateFileException">One cannot be read, or they do not belong together.</exception>
    public static PeerCertificates Load(string certificatePem, string keyPem, string authorityPem) =>
        FromPem(ReadText(certificatePem), ReadText(keyPem), ReadText(authorityPem), certificatePem, keyPem, authorityPem);

    /// <summary>The same from PEM text; the names are for messages.</summary>
    public static PeerCertificates FromPem(
        string certificate, string key, string authority, string certificateName = "certificate", string keyName = "key", string authorityName = "authority")
    {
        var chain = Import(certificate, certificateName);
        var authorities = Import(authority, authorityName);
        X509Certificate2 own;
        try
        {
            own = X509Certificate2.CreateFromPem(certificate, key);
            if (OperatingSystem.IsWindows())
            {
                // Schannel cannot use a key that lives in memory only.
                using var inMemory = own;
                own = X509CertificateLoader.LoadPkcs12(inMemory.Export(X509ContentType.Pkcs12), null);
            }
        }
        catch (Exception fault) when (fault is CryptographicException or ArgumentException)
        {
            throw new CertificateFileException(keyName, $"it is no private key for {certificateName}: {fault.Message}", "Give the PEM key, not encrypted, that the certificate was made for.", fault);
        }

        chain[0].Dispose();
        chain.RemoveAt(0);
        return new PeerCertificates(own, chain, authorities);
    }

    /// <summary>Says at the start what every peer would say later.</summary>
    /// <exception cref="CertificateFileException">This side's own certificate does not hold now.</exception>
    public void EnsureValidAt(DateTimeOffset now)
    {
        if (now >= own.NotBefore && now <= own.NotAfter) return;
        throw new CertificateFileException(own.Subject, $"this certificate holds from {own.NotBefore:u} to {own.NotAfter:u}", "Have a new one issued, or set the clock.");
    }

    public void Dispose()
    {
        own.Dispose();
        foreach (var certificate in intermediates.Concat(authorities)) certificate.Dispose();
    }

    /// <summary>For a listener that speaks another protocol: a client that shows no good certificate does not get through the handshake.</summary>
    public SslServerAuthenticationOptions ListenerOptions() => ServerOptions((_, shown, chain, errors) =>
    {
        var verification = new PeerVerification(expectedHost: null);
        return verification.Note(shown, chain, errors) && verification.Problem is null;
    });

    internal SslClientAuthenticationOptions ClientOptions(string host, RemoteCertificateValidationCallback verify) => new()
    {
        TargetHost = host,
        ClientCertificateContext = context,
        EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
        CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
        CertificateChainPolicy = ChainPolicy(ServerAuthenticationOid),
        RemoteCertificateValidationCallback = verify,
        AllowRenegotiation = false,
    };

    internal SslServerAuthenticationOptions ServerOptions(RemoteCertificateValidationCallback verify) => new()
    {
        ServerCertificateContext = context,
        ClientCertificateRequired = true,
        EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
        CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
        CertificateChainPolicy = ChainPolicy(ClientAuthenticationOid),
        RemoteCertificateValidationCallback = verify,
        AllowRenegotiation = false,
        // A resumed session would not show the certificate again.
        AllowTlsResume = false,
    };

    private X509ChainPolicy ChainPolicy(string purposeOid)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        policy.CustomTrustStore.AddRange(authorities);
        policy.ApplicationPolicy.Add(new Oid(purposeOid));
        return policy;
    }

    private static X509Certificate2Collection Import(string pem, string name)
    {
        var certificates = new X509Certificate2Collection();
        try
        {
            certificates.ImportFromPem(pem);
        }
        catch (CryptographicException fault)
        {
            throw new CertificateFileException(name, $"a certificate in it cannot be read: {fault.Message}", "Give a PEM file.", fault);
        }

        return certificates.Count > 0 ? certificates : throw new CertificateFileException(name, "there is no certificate in it", "Give a PEM file that begins with -----BEGIN CERTIFICATE-----.");
    }

    private static string ReadText(string path)
    {
        try
        {
            var length = new FileInfo(path).Length;
            if (length > MaxFileBytes) throw new CertificateFileException(path, $"{length} bytes are too many for a PEM file", "Name the right file.");
            return File.ReadAllText(path);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new CertificateFileException(path, $"cannot be read: {fault.Message}", "Check the name and who may read it.", fault);
        }
    }
}
