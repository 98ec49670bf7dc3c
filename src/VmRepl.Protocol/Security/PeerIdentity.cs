using System.Formats.Asn1;
using System.Security.Cryptography.X509Certificates;
using VmRepl.Protocol.Names;

namespace VmRepl.Protocol.Security;

/// <summary>
/// Who a peer is by its certificate, and which groups it may open. Each group is an entry of the subject alternative name (RFC 5280,
/// section 4.2.1.6) of type URI: <c>vmrepl:group:NAME</c>, or <c>vmrepl:group:*</c> for every group. A certificate without such an entry
/// opens none. With openssl: <c>subjectAltName = URI:vmrepl:group:web, URI:vmrepl:group:mail</c>.
/// </summary>
public sealed class PeerIdentity
{
    /// <summary>What an entry for a group begins with.</summary>
    public const string GroupUriPrefix = "vmrepl:group:";

    private const string AnyGroup = "*";
    private const string SubjectAlternativeNameOid = "2.5.29.17";
    private static readonly Asn1Tag UriTag = new(TagClass.ContextSpecific, 6);

    private readonly HashSet<string> groups;

    private PeerIdentity(string subject, string thumbprint, HashSet<string> groups)
    {
        Subject = subject;
        Thumbprint = thumbprint;
        this.groups = groups;
    }

    /// <summary>A peer without a certificate, which only a listener on loopback or a Unix socket takes: whoever gets there may open every group.</summary>
    public static PeerIdentity Local { get; } = new("local", "", [AnyGroup]);

    /// <summary>The certificate's subject, for messages and logs.</summary>
    public string Subject { get; }

    /// <summary>SHA-256 of the certificate in hexadecimal; empty for <see cref="Local"/>.</summary>
    public string Thumbprint { get; }

    /// <summary>The group names in the certificate, in ordinal order; <c>*</c> stands for every group.</summary>
    public IReadOnlyList<string> Groups => [.. groups.Order(StringComparer.Ordinal)];

    /// <summary>Reads the identity out of a certificate that has been verified.</summary>
    /// <exception cref="ProtocolException">The subject alternative name is malformed.</exception>
    public static PeerIdentity Of(X509Certificate2 certificate)
    {
        var groups = new HashSet<string>(StringComparer.Ordinal);
        foreach (var extension in certificate.Extensions)
        {
            if (extension.Oid?.Value != SubjectAlternativeNameOid) continue;
            try
            {
                AddGroups(extension.RawData, groups);
            }
            catch (AsnContentException fault)
            {
                throw new ProtocolException("subject alternative name of the peer's certificate", -1, "DER as RFC 5280 has it", fault.Message, fault);
            }
        }

        return new PeerIdentity(certificate.Subject, certificate.GetCertHashString(System.Security.Cryptography.HashAlgorithmName.SHA256), groups);
    }

    /// <summary>Whether this peer may open that group, for writing or reading. Names are compared exactly.</summary>
    public bool MayOpen(string group) => NameRule.IsValid(group) && (groups.Contains(AnyGroup) || groups.Contains(group));

    private static void AddGroups(byte[] der, HashSet<string> groups)
    {
        var names = new AsnReader(der, AsnEncodingRules.DER).ReadSequence();
        while (names.HasData)
        {
            if (!names.PeekTag().HasSameClassAndValue(UriTag))
            {
                names.ReadEncodedValue();
                continue;
            }

            var uri = names.ReadCharacterString(UniversalTagNumber.IA5String, UriTag);
            if (!uri.StartsWith(GroupUriPrefix, StringComparison.Ordinal)) continue;
            var group = uri[GroupUriPrefix.Length..];
            // Anything that is neither a name nor the star names no group: "web*" is not a pattern.
            if (group == AnyGroup || NameRule.IsValid(group)) groups.Add(group);
        }
    }
}
