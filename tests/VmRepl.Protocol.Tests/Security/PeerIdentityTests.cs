using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using VmRepl.Protocol.Security;

namespace VmRepl.Protocol.Tests.Security;

public class PeerIdentityTests
{
    [Test]
    public void Groups_NamedInTheCertificate_MayBeOpenedAndNoOther()
    {
        var identity = Identity("vmrepl:group:web", "vmrepl:group:Mail.2");
        Assert.That(identity.MayOpen("web"), Is.True);
        Assert.That(identity.MayOpen("Mail.2"), Is.True);
        Assert.That(identity.MayOpen("mail.2"), Is.False, "names are compared exactly");
        Assert.That(identity.MayOpen("webb"), Is.False);
        Assert.That(identity.MayOpen("*"), Is.False);
        Assert.That(identity.MayOpen(""), Is.False);
        Assert.That(identity.Subject, Is.EqualTo("CN=agent"));
        Assert.That(identity.Thumbprint, Has.Length.EqualTo(64));
    }

    [Test]
    public void Star_InTheCertificate_OpensEveryGroupThatIsAName()
    {
        var identity = Identity("vmrepl:group:*");
        Assert.That(identity.MayOpen("anything"), Is.True);
        Assert.That(identity.MayOpen("../etc"), Is.False);
    }

    [TestCase("vmrepl:group:web*"), TestCase("vmrepl:group:"), TestCase("vmrepl:group:../web"), TestCase("vmrepl:groups:web"), TestCase("VMREPL:group:web"), TestCase("https://web")]
    public void Uri_ThatIsNoGroup_OpensNothing(string uri)
    {
        var identity = Identity(uri);
        Assert.That(identity.Groups, Is.Empty);
        Assert.That(identity.MayOpen("web"), Is.False);
    }

    [Test]
    public void Certificate_WithoutNames_OpensNothing() => Assert.That(Identity().MayOpen("web"), Is.False);

    [Test]
    public void Local_Peer_OpensEveryGroup() => Assert.That(PeerIdentity.Local.MayOpen("web"), Is.True);

    [Test]
    public void Names_ThatAreNoDer_AreRefused()
    {
        using var certificate = Certificate(new X509Extension("2.5.29.17", [0x30, 0x05, 0x86, 0x7f, 0x61], false));
        Assert.That(() => PeerIdentity.Of(certificate), Throws.InstanceOf<ProtocolException>());
    }

    private static PeerIdentity Identity(params string[] uris)
    {
        var names = new System.Formats.Asn1.AsnWriter(System.Formats.Asn1.AsnEncodingRules.DER);
        using (names.PushSequence())
        {
            names.WriteCharacterString(System.Formats.Asn1.UniversalTagNumber.IA5String, "agent.example", new System.Formats.Asn1.Asn1Tag(System.Formats.Asn1.TagClass.ContextSpecific, 2));
            foreach (var uri in uris)
                names.WriteCharacterString(System.Formats.Asn1.UniversalTagNumber.IA5String, uri, new System.Formats.Asn1.Asn1Tag(System.Formats.Asn1.TagClass.ContextSpecific, 6));
        }

        using var certificate = Certificate(uris.Length == 0 ? null : new X509Extension("2.5.29.17", names.Encode(), false));
        return PeerIdentity.Of(certificate);
    }

    private static X509Certificate2 Certificate(X509Extension? extension)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=agent", key, HashAlgorithmName.SHA256);
        if (extension is not null) request.CertificateExtensions.Add(extension);
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
    }
}
