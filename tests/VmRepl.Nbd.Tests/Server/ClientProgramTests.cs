using System.Security.Cryptography;
using System.Text.Json;
using VmRepl.Blocks;
using VmRepl.Images;
using VmRepl.Images.Opening;
using VmRepl.Nbd.Server;

namespace VmRepl.Nbd.Tests.Server;

/// <summary>The programs that people use, against our server. What they read and wrote is judged by the raw file behind it.</summary>
[TestFixture]
public class ClientProgramTests
{
    private const int DiskBytes = 32 << 20;

    private string directory = null!;
    private string file = null!;
    private IDiskImage image = null!;
    private ServingStage stage = null!;

    [SetUp]
    public void Serve()
    {
        directory = Directory.CreateTempSubdirectory("vmrepl-nbd-").FullName;
        file = Path.Combine(directory, "disk.raw");
        var random = new Random(21);
        var data = new byte[1 << 20];
        using (var raw = File.Create(file))
        {
            raw.SetLength(DiskBytes);
            foreach (var mib in new[] { 1, 2, 7, 30 })
            {
                random.NextBytes(data);
                raw.Position = (long)mib << 20;
                raw.Write(data);
            }
        }

        image = DiskImages.Open(file, new ImageOpenOptions { Format = ImageFormat.Raw, Writable = true });
        stage = new ServingStage(image);
    }

    [TearDown]
    public void Stop()
    {
        stage.Dispose();
        image.Dispose();
        Directory.Delete(directory, recursive: true);
    }

    [TestCase(false)]
    [TestCase(true)]
    public void QemuImg_ConvertCompareAndMap_AgreeWithTheFile(bool tcp)
    {
        ExternalTool.Require("qemu-img");
        var copy = Path.Combine(directory, "copy.raw");
        ExternalTool.Run("qemu-img", "convert", "-f", "raw", "-O", "raw", stage.Uri(tcp), copy);
        Assert.That(Digest(copy), Is.EqualTo(Digest(file)));
        ExternalTool.Run("qemu-img", "compare", "-f", "raw", "-F", "raw", stage.Uri(tcp), file);
        Assert.That(Runs(ExternalTool.Run("qemu-img", "map", "--output=json", "-f", "raw", stage.Uri(tcp))), Is.EqualTo(Runs(ExternalTool.Run("qemu-img", "map", "--output=json", "-f", "raw", file))));
    }

    [TestCase(false)]
    [TestCase(true)]
    public void QemuIo_WritesZeroesAndDiscards_AreInTheFile(bool tcp)
    {
        ExternalTool.Require("qemu-io");
        ExternalTool.Run("qemu-io", "-f", "raw", "-c", "write -P 0xab 1048000 5000", "-c", "write -f -P 0xcd 20M 64k", "-c", "write -z 2M 512k", "-c", "write -z -u 7M 1M", "-c", "discard 30M 1M", "-c", "flush",
            "-c", "read -P 0xab 1048000 5000", "-c", "read -P 0xcd 20M 64k", "-c", "read -P 0 2M 512k", stage.Uri(tcp));
        ExternalTool.Run("qemu-io", "-r", "-f", "raw", "-c", "read -P 0xab 1048000 5000", "-c", "read -P 0xcd 20M 64k", "-c", "read -P 0 2M 512k", "-c", "read -P 0 7M 1M", "-c", "read -P 0 30M 1M", file);
    }

    [TestCase(false)]
    [TestCase(true)]
    public void Nbdcopy_BothWays_IsTheSame(bool tcp)
    {
        ExternalTool.Require("nbdcopy");
        var copy = Path.Combine(directory, "copy.raw");
        ExternalTool.Run("nbdcopy", stage.Uri(tcp), copy);
        Assert.That(Digest(copy), Is.EqualTo(Digest(file)));
        var other = Path.Combine(directory, "other.raw");
        var contents = new byte[DiskBytes];
        new Random(5).NextBytes(contents.AsSpan(3 << 20, 9 << 20));
        File.WriteAllBytes(other, contents);
        ExternalTool.Run("nbdcopy", "--flush", "--destination-is-zero", other, stage.Uri(tcp));
        ExternalTool.Run("nbdcopy", "--flush", other, stage.Uri(tcp));
        Assert.That(Digest(file), Is.EqualTo(Digest(other)));
    }

    [TestCase(false)]
    [TestCase(true)]
    public void Nbdinfo_TellsWhatTheExportCan(bool tcp)
    {
        ExternalTool.Require("nbdinfo");
        using var told = JsonDocument.Parse(ExternalTool.Run("nbdinfo", "--json", stage.Uri(tcp)));
        var export = told.RootElement.GetProperty("exports")[0];
        Assert.Multiple(() =>
        {
            Assert.That(told.RootElement.GetProperty("protocol").GetString(), Is.EqualTo("newstyle-fixed"));
            Assert.That(told.RootElement.GetProperty("structured").GetBoolean(), Is.True);
            Assert.That(export.GetProperty("export-size").GetInt64(), Is.EqualTo(DiskBytes));
            foreach (var ability in new[] { "can_cache", "can_df", "can_fast_zero", "can_flush", "can_fua", "can_multi_conn", "can_trim", "can_zero" }) Assert.That(export.GetProperty(ability).GetBoolean(), Is.True, ability);
            Assert.That(export.GetProperty("is_read_only").GetBoolean(), Is.False);
            Assert.That(export.GetProperty("contexts").EnumerateArray().Select(c => c.GetString()), Is.SupersetOf(new[] { "base:allocation", "qemu:allocation-depth" }));
            Assert.That(export.GetProperty("block_size_maximum").GetInt64(), Is.EqualTo(32 << 20));
            Assert.That(ExternalTool.Run("nbdinfo", "--list", tcp ? $"nbd://127.0.0.1:{stage.Port}" : $"nbd+unix:///?socket={stage.Socket}"), Does.Contain("export=\"disk\""));
            Assert.That(ExternalTool.Run("nbdinfo", "--map", stage.Uri(tcp)), Does.Contain("hole,zero").And.Contain("data"));
        });
    }

    [TestCase(false)]
    [TestCase(true)]
    public void Libnbd_EveryCommand_DoesWhatItSays(bool tcp)
    {
        ExternalTool.RequireModule("nbd");
        const string program = """
            import nbd, os, sys
            uri, path = sys.argv[1], sys.argv[2]
            h = nbd.NBD(); h.add_meta_context("base:allocation"); h.add_meta_context("qemu:allocation-depth"); h.connect_uri(uri)
            def disk(offset, count):
                with open(path, "rb") as f: f.seek(offset); return f.read(count)
            assert h.get_structured_replies_negotiated() and h.can_multi_conn() and h.can_fast_zero() and h.can_cache()
            data = os.urandom(70001); h.pwrite(data, 12345); assert h.pread(70001, 12345) == data == disk(12345, 70001)
            h.pwrite(b"x" * 512, 0, nbd.CMD_FLAG_FUA); h.flush(); h.cache(1 << 20, 0)
            h.zero(65536, 1 << 20); assert disk(1 << 20, 65536) == bytes(65536)
            h.zero(65536, 2 << 20, nbd.CMD_FLAG_NO_HOLE); assert disk(2 << 20, 65536) == bytes(65536)
            h.trim(65536, 7 << 20, nbd.CMD_FLAG_FUA); assert disk(7 << 20, 65536) == bytes(65536)
            seen = {}
            h.block_status(h.get_size(), 0, lambda c, o, e, err: seen.setdefault(c, list(e)) and 0)
            assert set(seen) == {"base:allocation", "qemu:allocation-depth"}, seen
            for extents in seen.values(): assert sum(extents[0::2]) == h.get_size(), extents
            one = []; h.block_status(h.get_size(), 0, lambda c, o, e, err: one.append((c, list(e))) or 0, nbd.CMD_FLAG_REQ_ONE)
            assert all(len(e) == 2 for c, e in one), one
            chunks = []; h.pread_structured(3 << 20, 0, lambda b, o, s, err: chunks.append((o, len(b))) or 0); assert sum(n for o, n in chunks) == 3 << 20
            df = []; h.pread_structured(3 << 20, 0, lambda b, o, s, err: df.append(o) or 0, nbd.CMD_FLAG_DF); assert len(df) == 1
            h.set_strict_mode(0)
            for call, errno in ((lambda: h.pread(512, h.get_size()), "EINVAL"), (lambda: h.pwrite(b"y" * 512, h.get_size()), "ENOSPC"), (lambda: h.trim(512, 1 << 62), "EINVAL")):
                try: call(); raise SystemExit("no error")
                except nbd.Error as e: assert e.errno == errno, (e.errno, errno)
            second = nbd.NBD(); second.connect_uri(uri); h.pwrite(b"seen", 99); assert second.pread(4, 99) == b"seen"
            buffers = [nbd.Buffer(4096) for _ in range(256)]; cookies = [h.aio_pread(b, i * 4096) for i, b in enumerate(buffers)]
            while h.aio_in_flight() > 0: h.poll(-1)
            for c in cookies: assert h.aio_command_completed(c)
            whole = disk(0, 256 * 4096)
            for i, b in enumerate(buffers): assert bytes(b.to_bytearray()) == whole[i * 4096:(i + 1) * 4096]
            h.shutdown(); second.shutdown(); print("fine")
            """;
        Assert.That(ExternalTool.Run(ExternalTool.Python, "-c", program, stage.Uri(tcp), file), Is.EqualTo("fine\n"));
    }

    [Test]
    public void Libnbd_OldWays_WorkToo()
    {
        ExternalTool.RequireModule("nbd");
        const string program = """
            import nbd, sys
            # Without structured replies, and, the second time, without INFO and GO and the zeros left out.
            for flags in (nbd.HANDSHAKE_FLAG_MASK, 0):
                h = nbd.NBD(); h.set_request_structured_replies(False); h.set_handshake_flags(flags); h.set_export_name("disk"); h.connect_unix(sys.argv[1])
                h.pwrite(b"abc", 1); assert h.pread(3, 1) == b"abc"; assert h.get_size() == 32 << 20; h.shutdown()
            print("fine")
            """;
        Assert.That(ExternalTool.Run(ExternalTool.Python, "-c", program, stage.Socket), Is.EqualTo("fine\n"));
    }

    [Test]
    public void QemuNbd_InFrontOfOurServer_ServesTheSame()
    {
        ExternalTool.Require("qemu-nbd");
        ExternalTool.Require("nbdcopy");
        var front = Path.Combine(directory, "front.sock");
        ExternalTool.Run("qemu-nbd", "--fork", $"--pid-file={front}.pid", "-f", "raw", "-k", front, stage.UnixUri);
        try
        {
            var copy = Path.Combine(directory, "copy.raw");
            ExternalTool.Run("nbdcopy", $"nbd+unix:///?socket={front}", copy);
            Assert.That(Digest(copy), Is.EqualTo(Digest(file)));
        }
        finally
        {
            ExternalTool.Try("kill", File.ReadAllText($"{front}.pid").Trim());
        }
    }

    [Test]
    public void Tls_WithCertificates_WorksForLibnbdAndQemu()
    {
        ExternalTool.Require("nbdcopy");
        ExternalTool.Require("qemu-img");
        using var certificates = new Certificates(Directory.CreateDirectory(Path.Combine(directory, "pki")).FullName);
        using var secured = new ServingStage(image, new NbdServerOptions { Tls = certificates.ServerOptions() });
        var copy = Path.Combine(directory, "copy.raw");
        ExternalTool.Run("nbdcopy", $"{secured.TcpUri}?tls-certificates={certificates.Directory}", copy);
        Assert.That(Digest(copy), Is.EqualTo(Digest(file)));
        ExternalTool.Run("qemu-img", "compare", "--object", $"tls-creds-x509,id=t,dir={certificates.Directory},endpoint=client", "--image-opts",
            $"driver=raw,file.driver=nbd,file.host=127.0.0.1,file.port={secured.Port},file.export=disk,file.tls-creds=t", $"driver=raw,file.driver=file,file.filename={file}");
    }

    [Test]
    public void Tls_ClientWithoutACertificateOrWithoutTls_GetsNothingAndIsLogged()
    {
        ExternalTool.Require("nbdinfo");
        using var certificates = new Certificates(Directory.CreateDirectory(Path.Combine(directory, "pki")).FullName);
        using var secured = new ServingStage(image, new NbdServerOptions { Tls = certificates.ServerOptions() });
        var bare = Directory.CreateDirectory(Path.Combine(directory, "bare")).FullName;
        File.Copy(Path.Combine(certificates.Directory, "ca-cert.pem"), Path.Combine(bare, "ca-cert.pem"));
        Assert.Multiple(() =>
        {
            Assert.That(ExternalTool.Try("nbdinfo", $"nbd://127.0.0.1:{secured.Port}/disk").Status, Is.Not.Zero);
            Assert.That(ExternalTool.Try("nbdinfo", $"{secured.TcpUri}?tls-certificates={bare}").Status, Is.Not.Zero);
            Assert.That(() => secured.Log.Warnings, Has.Some.Contains("TLS handshake failed").After(3000, 10));
        });
    }

    [Test]
    public void Tls_WhatIsSentAlongInTheClear_EndsTheConnection()
    {
        using var certificates = new Certificates(Directory.CreateDirectory(Path.Combine(directory, "pki")).FullName);
        using var secured = new ServingStage(image, new NbdServerOptions { Tls = certificates.ServerOptions() });
        using var client = new RawClient(secured.Socket);
        client.Greet();
        Assert.That(client.Ask(Wire.NbdOption.List, []).Kind, Is.EqualTo(Wire.NbdOptionReply.TlsRequired));
        client.Send([.. RawClient.Option(Wire.NbdOption.StartTls, []), .. RawClient.Option(Wire.NbdOption.StructuredReply, [])]);
        Assert.That(client.IsEnded(), Is.True);
        Assert.That(() => secured.Log.Warnings, Has.Some.Contains("in the clear behind its wish for TLS").After(2000, 5));
    }

    private static string Digest(string path) => Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(path)));

    private static List<(long Start, long Length, bool Data)> Runs(string json)
    {
        using var map = JsonDocument.Parse(json);
        return [.. map.RootElement.EnumerateArray().Select(r => (r.GetProperty("start").GetInt64(), r.GetProperty("length").GetInt64(), r.GetProperty("data").GetBoolean()))];
    }
}
