using VmRepl.Protocol.Security;

namespace VmRepl.Protocol.Tests.Security;

public class PeerCertificatesTests
{
    private DirectoryInfo directory = null!;

    [SetUp]
    public void MakeDirectory() => directory = Directory.CreateTempSubdirectory("vmrepl-certificates-");

    [TearDown]
    public void RemoveDirectory() => directory.Delete(recursive: true);

    [Test]
    public void Files_ThatBelongTogether_AreLoaded()
    {
        using var authority = new TestAuthority();
        var (certificate, key) = authority.IssuePem("replica");
        using var loaded = PeerCertificates.Load(Write("cert.pem", certificate), Write("key.pem", key), Write("authority.pem", authority.Pem));
        Assert.That(loaded.Subject, Is.EqualTo("CN=replica"));
        Assert.That(() => loaded.EnsureValidAt(DateTimeOffset.UtcNow), Throws.Nothing);
        Assert.That(() => loaded.EnsureValidAt(loaded.ExpiresAt.AddSeconds(1)), Throws.InstanceOf<CertificateFileException>().With.Message.Contains("CN=replica"));
        Assert.That(() => loaded.EnsureValidAt(DateTimeOffset.UtcNow.AddDays(-3)), Throws.InstanceOf<CertificateFileException>());
    }

    [Test]
    public void File_ThatIsNotThere_IsNamed()
    {
        using var authority = new TestAuthority();
        var (certificate, key) = authority.IssuePem("replica");
        var missing = Path.Combine(directory.FullName, "missing.pem");
        foreach (var paths in new[]
        {
            (missing, Write("key.pem", key), Write("authority.pem", authority.Pem)),
            (Write("cert.pem", certificate), missing, Write("authority.pem", authority.Pem)),
            (Write("cert.pem", certificate), Write("key.pem", key), missing),
        })
        {
            var fault = Assert.Throws<CertificateFileException>(() => PeerCertificates.Load(paths.Item1, paths.Item2, paths.Item3))!;
            Assert.That(fault.Path, Is.EqualTo(missing));
        }
    }

    [Test]
    public void Key_OfAnotherCertificate_IsRefused()
    {
        using var authority = new TestAuthority();
        var (certificate, _) = authority.IssuePem("replica");
        var (_, key) = authority.IssuePem("other");
        Assert.That(() => PeerCertificates.FromPem(certificate, key, authority.Pem, keyName: "other.key"), Throws.InstanceOf<CertificateFileException>().With.Message.Contains("other.key"));
        Assert.That(() => PeerCertificates.FromPem(certificate, "no key", authority.Pem), Throws.InstanceOf<CertificateFileException>());
    }

    [TestCase(""), TestCase("text"), TestCase("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----")]
    public void Pem_WithoutACertificate_IsRefused(string pem)
    {
        using var authority = new TestAuthority();
        var (certificate, key) = authority.IssuePem("replica");
        Assert.That(() => PeerCertificates.FromPem(pem, key, authority.Pem), Throws.InstanceOf<CertificateFileException>());
        Assert.That(() => PeerCertificates.FromPem(certificate, key, pem), Throws.InstanceOf<CertificateFileException>());
    }

    [Test]
    public void File_TooLargeForPem_IsNotRead()
    {
        using var authority = new TestAuthority();
        var (_, key) = authority.IssuePem("replica");
        var large = Write("disk.raw", new string('x', (1 << 20) + 1));
        Assert.That(() => PeerCertificates.Load(large, Write("key.pem", key), Write("authority.pem", authority.Pem)), Throws.InstanceOf<CertificateFileException>().With.Message.Contains("too many"));
    }

    private string Write(string name, string text)
    {
        var path = Path.Combine(directory.FullName, name);
        File.WriteAllText(path, text);
        return path;
    }
}
