using VmRepl.Protocol.Connections;
using VmRepl.Protocol.Messages;
using VmRepl.Protocol.Security;

namespace VmRepl.Protocol.Tests.Security;

/// <summary>Certificates made with openssl as an operator would, intermediates and all.</summary>
public class OpenSslTests
{
    private DirectoryInfo directory = null!;

    [SetUp]
    public void MakeCertificates()
    {
        ExternalTool.Require("openssl");
        directory = Directory.CreateTempSubdirectory("vmrepl-openssl-");
        OpenSsl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "root.key", "-out", "root.pem", "-days", "30", "-subj", "/CN=Root");
        Issue("between", "root", "basicConstraints=critical,CA:TRUE");
        Issue("agent", "between", "subjectAltName=URI:vmrepl:group:web,URI:vmrepl:group:mail", "extendedKeyUsage=clientAuth");
        Issue("replica", "between", "subjectAltName=DNS:localhost,IP:127.0.0.1", "extendedKeyUsage=serverAuth");
        foreach (var name in new[] { "agent", "replica" })
            File.WriteAllText(PathOf($"{name}.chain"), File.ReadAllText(PathOf($"{name}.pem")) + File.ReadAllText(PathOf("between.pem")));
    }

    [TearDown]
    public void RemoveCertificates() => directory?.Delete(recursive: true);

    [Test, CancelAfter(30_000)]
    public async Task Certificates_OfAnIntermediateAuthority_AreTakenByTheRoot(CancellationToken cancellation)
    {
        using var agent = PeerCertificates.Load(PathOf("agent.chain"), PathOf("agent.key"), PathOf("root.pem"));
        using var replica = PeerCertificates.Load(PathOf("replica.chain"), PathOf("replica.key"), PathOf("root.pem"));
        using var listener = new TlsListener();
        var accepting = listener.AcceptAsync(replica, cancellation);
        await using var near = await TlsTransport.ConnectAsync("127.0.0.1", listener.Port, agent, cancellation);
        await using var far = await accepting;
        Assert.That(far.Identity.Groups, Is.EqualTo(new[] { "mail", "web" }));
    }

    [Test, CancelAfter(30_000)]
    public async Task OpensslClient_WithItsCertificate_GetsThroughAndSpeaksOurFrames(CancellationToken cancellation)
    {
        using var replica = PeerCertificates.Load(PathOf("replica.chain"), PathOf("replica.key"), PathOf("root.pem"));
        using var listener = new TlsListener();
        var serving = Task.Run(async () =>
        {
            await using var connection = new FramedConnection(await listener.AcceptAsync(replica, cancellation));
            var ping = await connection.ReceiveAsync(cancellation);
            await connection.FinishAsync(new Bye(), cancellation);
            return ping;
        }, cancellation);

        // 4 bytes of length, 4 of CRC-32C, and the array [13, 7], by hand.
        byte[] body = [0x92, 13, 7];
        var checksum = VmRepl.Blocks.Crc32C.Compute(body);
        byte[] frame = [0, 0, 0, 3, (byte)(checksum >> 24), (byte)(checksum >> 16), (byte)(checksum >> 8), (byte)checksum, .. body];
        await Task.Run(() => ExternalTool.Pipe(
            "openssl",
            frame,
            ["s_client", "-quiet", "-no_ign_eof", "-verify_return_error", "-connect", $"127.0.0.1:{listener.Port}", "-verify_ip", "127.0.0.1", "-CAfile", PathOf("root.pem"), "-cert", PathOf("agent.pem"), "-cert_chain", PathOf("between.pem"), "-key", PathOf("agent.key")]), cancellation);
        Assert.That(await serving, Is.EqualTo(new Ping(7)));
    }

    private string PathOf(string name) => Path.Combine(directory.FullName, name);

    private void Issue(string name, string issuer, params string[] extensions)
    {
        File.WriteAllLines(PathOf($"{name}.ext"), extensions);
        OpenSsl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", $"{name}.key", "-out", $"{name}.csr", "-subj", $"/CN={name}");
        OpenSsl("x509", "-req", "-in", $"{name}.csr", "-CA", $"{issuer}.pem", "-CAkey", $"{issuer}.key", "-CAcreateserial", "-out", $"{name}.pem", "-days", "30", "-extfile", $"{name}.ext");
    }

    private void OpenSsl(params string[] arguments) =>
        ExternalTool.Run("openssl", [.. arguments.Select(argument => argument.EndsWith(".pem") || argument.EndsWith(".key") || argument.EndsWith(".csr") || argument.EndsWith(".ext") ? PathOf(argument) : argument)]);
}
