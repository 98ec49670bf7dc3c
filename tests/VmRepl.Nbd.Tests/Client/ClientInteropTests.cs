using System.Security.Cryptography;
using VmRepl.Blocks;
using VmRepl.Nbd.Client;

namespace VmRepl.Nbd.Tests.Client;

/// <summary>Our client against the servers that people use. What it reads is compared with the file behind, what it writes is judged there.</summary>
[TestFixture]
public class ClientInteropTests
{
    private const int DiskBytes = 16 << 20;

    private string directory = null!;
    private string file = null!;

    [SetUp]
    public void MakeFile()
    {
        directory = Directory.CreateTempSubdirectory("vmrepl-nbdc-").FullName;
        file = At("disk.raw");
        var contents = new byte[DiskBytes];
        new Random(3).NextBytes(contents.AsSpan(2 << 20, 3 << 20));
        using var raw = File.Create(file);
        raw.SetLength(DiskBytes);
        raw.Position = 2 << 20;
        raw.Write(contents.AsSpan(2 << 20, 3 << 20));
    }

    [TearDown]
    public void Remove() => Directory.Delete(directory, recursive: true);

    [TestCase("qemu-nbd", false)]
    [TestCase("qemu-nbd", true)]
    [TestCase("nbdkit", false)]
    [TestCase("nbdkit", true)]
    [TestCase("nbdkit --no-sr", false)]
    [TestCase("nbdkit --mask-handshake=0", false)]
    [TestCase("nbdkit --filter=nozero", false)]
    [TestCase("nbdkit --filter=delay", false)]
    [TestCase("qemu-storage-daemon", false)]
    public void Client_AnyServer_ReadsAndWritesTheFile(string kind, bool tcp)
    {
        using var server = Serve(kind, tcp);
        using (var client = NbdClient.Connect(server.Address, "disk"))
        {
            var read = new byte[DiskBytes];
            client.Read(0, read);
            Assert.That(Digest(read), Is.EqualTo(Digest(File.ReadAllBytes(file))));
            var data = new byte[700_001];
            new Random(4).NextBytes(data);
            client.Write(1_234_567, data);
            client.Write(9 << 20, data.AsSpan(0, 4096), isDurable: true);
            client.Zero(3 << 20, 100_000);
            client.Punch(4 << 20, 1 << 20);
            client.Trim(15 << 20, 65536);
            client.Cache(0, 65536);
            client.Flush();
            CheckMap(client);
            Assert.That(() => client.Read(DiskBytes, new byte[512]), Throws.InstanceOf<ArgumentOutOfRangeException>());
            client.Read(0, read);
            Assert.That(client.IsReadOnly, Is.False);
        }

        var expected = new byte[DiskBytes];
        new Random(3).NextBytes(expected.AsSpan(2 << 20, 3 << 20));
        var written = new byte[700_001];
        new Random(4).NextBytes(written);
        written.CopyTo(expected, 1_234_567);
        written.AsSpan(0, 4096).CopyTo(expected.AsSpan(9 << 20));
        expected.AsSpan(3 << 20, 100_000).Clear();
        expected.AsSpan(4 << 20, 1 << 20).Clear();
        Assert.That(Digest(File.ReadAllBytes(file)), Is.EqualTo(Digest(expected)));
    }

    [TestCase("qemu-nbd")]
    [TestCase("nbdkit --filter=delay")]
    public void Client_ManyThreadsOnOneConnection_EachGetsItsOwn(string kind)
    {
        using var server = Serve(kind, tcp: false);
        using var client = NbdClient.Connect(server.Address, "disk");
        var whole = File.ReadAllBytes(file);
        Parallel.For(0, 400, new ParallelOptions { MaxDegreeOfParallelism = 16 }, i =>
        {
            var random = new Random(i);
            var buffer = new byte[random.Next(1, 40_000)];
            var offset = random.Next(DiskBytes - buffer.Length);
            client.Read(offset, buffer);
            if (!buffer.AsSpan().SequenceEqual(whole.AsSpan(offset, buffer.Length))) throw new InvalidDataException($"{buffer.Length} bytes at {offset}");
        });
    }

    [Test]
    public void Client_Tls_WorksWithQemuNbdAndNbdkit()
    {
        ExternalTool.Require("qemu-nbd");
        ExternalTool.Require("nbdkit");
        using var certificates = new Certificates(directory);
        foreach (var kind in new[] { "qemu-nbd", "nbdkit" })
        {
            var port = OtherServer.FreePort();
            var address = new NbdAddress.Tcp("localhost", port);
            string[] arguments = kind == "nbdkit"
                ? ["-f", "-p", $"{port}", "-i", "127.0.0.1", "--tls=require", $"--tls-certificates={directory}", "--tls-verify-peer", "-e", "disk", "file", file]
                : ["-t", "-e", "16", "--object", $"tls-creds-x509,id=t,dir={directory},endpoint=server,verify-peer=yes", "--tls-creds", "t", "-x", "disk", "-p", $"{port}", "-b", "127.0.0.1", "-f", "raw", file];
            using var server = new OtherServer(directory, address, kind, arguments);
            using var client = NbdClient.Connect(address, "disk", new NbdClientOptions { Tls = certificates.ClientOptions("localhost") });
            var read = new byte[DiskBytes];
            client.Read(0, read);
            Assert.That(Digest(read), Is.EqualTo(Digest(File.ReadAllBytes(file))), kind);
            Assert.That(() => NbdClient.Connect(address, "disk"), Throws.TypeOf<NbdException>(), "without TLS");
        }
    }

    [Test]
    public void Status_DirtyBitmapOfQemu_IsTold()
    {
        ExternalTool.Require("qemu-storage-daemon");
        ExternalTool.Require("qemu-img");
        ExternalTool.Require("qemu-io");
        var image = At("disk.qcow2");
        ExternalTool.Run("qemu-img", "create", "-q", "-f", "qcow2", image, $"{DiskBytes}");
        ExternalTool.Run("qemu-img", "bitmap", "--add", image, "b0");
        ExternalTool.Run("qemu-io", "-c", "write 1M 128k", "-c", "write 8M 64k", image);
        var address = new NbdAddress.Unix(At("q.sock"));
        using var server = new OtherServer(directory, address, "qemu-storage-daemon", "--blockdev", $"driver=file,node-name=f,filename={image}", "--blockdev", "driver=qcow2,node-name=d,file=f",
            "--nbd-server", $"addr.type=unix,addr.path={address.Path}", "--export", "type=nbd,id=e,node-name=d,name=disk,writable=on,bitmaps.0=b0");
        using var client = NbdClient.Connect(address, "disk", new NbdClientOptions { Contexts = ["qemu:dirty-bitmap:b0", "no:such"] });
        Assert.That(client.Contexts, Is.EquivalentTo(new[] { "base:allocation", "qemu:dirty-bitmap:b0" }));
        Assert.That(client.Status("qemu:dirty-bitmap:b0", 0, DiskBytes).ToList(), Is.EqualTo(new[]
        {
            new NbdExtent(1 << 20, 0), new NbdExtent(128 << 10, 1), new NbdExtent((7 << 20) - (128 << 10), 0), new NbdExtent(64 << 10, 1), new NbdExtent((8 << 20) - (64 << 10), 0),
        }));
        Assert.That(() => client.Status("no:such", 0, 512), Throws.ArgumentException);
        Assert.That(NbdClient.List(address), Is.EqualTo(new[] { "disk" }));
    }

    [Test]
    public void Connect_ExportThatIsNotThere_SaysWhatTheServerSaid()
    {
        using var server = Serve("qemu-nbd", tcp: false);
        Assert.That(() => NbdClient.Connect(server.Address, "other"), Throws.TypeOf<NbdException>().With.Message.Contains("other"));
        Assert.That(() => NbdClient.Connect(new NbdAddress.Unix(At("nobody.sock")), "disk"), Throws.TypeOf<NbdException>());
    }

    [Test]
    public void Client_LeastBlockOf4096_WidensWhatIsLess()
    {
        ExternalTool.Require("nbdkit");
        var address = new NbdAddress.Unix(At("b.sock"));
        using var server = new OtherServer(directory, address, "nbdkit", "-f", "-U", address.Path, "--filter=blocksize-policy", "file", file, "blocksize-minimum=4096", "blocksize-preferred=4096", "blocksize-maximum=65536", "blocksize-error-policy=error");
        using var client = NbdClient.Connect(address, "");
        var data = new byte[100_001];
        new Random(6).NextBytes(data);
        client.Write(5_000_003, data);
        client.Zero(2_500_001, 9_999);
        var read = new byte[300_000];
        client.Read(4_900_001, read);
        client.Flush();
        var whole = File.ReadAllBytes(file);
        Assert.Multiple(() =>
        {
            Assert.That(read.AsSpan().SequenceEqual(whole.AsSpan(4_900_001, read.Length)), Is.True);
            Assert.That(whole.AsSpan(5_000_003, data.Length).SequenceEqual(data), Is.True);
            Assert.That(Sectors.IsZero(whole.AsSpan(2_500_001, 9_999)), Is.True);
            Assert.That(whole[2_500_000] | whole[2_499_999] | whole[2_510_000] | whole[2_510_001], Is.Not.Zero);
        });
    }

    private OtherServer Serve(string kind, bool tcp)
    {
        var words = kind.Split(' ');
        ExternalTool.Require(words[0]);
        var port = OtherServer.FreePort();
        NbdAddress address = tcp ? new NbdAddress.Tcp("127.0.0.1", port) : new NbdAddress.Unix(At("s.sock"));
        string[] arguments = words[0] switch
        {
            "qemu-nbd" => ["-t", "-e", "16", "-x", "disk", "-f", "raw", "--discard=unmap", .. tcp ? ["-p", $"{port}", "-b", "127.0.0.1"] : (string[])["-k", At("s.sock")], file],
            "nbdkit" => ["-f", .. tcp ? ["-p", $"{port}", "-i", "127.0.0.1"] : (string[])["-U", At("s.sock")], .. words[1..], "file", file, .. kind.EndsWith("delay", StringComparison.Ordinal) ? ["rdelay=2ms", "wdelay=2ms"] : (string[])[]],
            _ => ["--blockdev", $"driver=file,node-name=d,filename={file},discard=unmap", "--nbd-server", $"addr.type=unix,addr.path={At("s.sock")}", "--export", "type=nbd,id=e,node-name=d,name=disk,writable=on"],
        };
        return new OtherServer(directory, address, words[0], arguments);
    }

    /// <summary>Covers the disk, and calls nothing a hole that holds something.</summary>
    private void CheckMap(NbdClient client)
    {
        var whole = File.ReadAllBytes(file);
        long at = 0;
        foreach (var run in client.Map(0, DiskBytes))
        {
            Assert.That(run.Offset, Is.EqualTo(at));
            if (!run.HasData) Assert.That(Sectors.IsZero(whole.AsSpan((int)run.Offset, (int)run.Length)), Is.True);
            at = run.End;
        }

        Assert.That(at, Is.EqualTo(DiskBytes));
    }

    private string At(string name) => Path.Combine(directory, name);

    private static string Digest(byte[] contents) => Convert.ToHexString(SHA256.HashData(contents));
}
