using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using VmRepl.Blocks;
using VmRepl.Nbd.Client;
using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Tests.Client;

/// <summary>The servers that people use, with our client. What it wrote is judged by the file behind them, what it read by what the test put there.</summary>
[TestFixture]
public class ServerProgramTests
{
    private const int DiskBytes = 32 << 20;

    private string directory = null!;
    private string file = null!;
    private byte[] contents = null!;

    [SetUp]
    public void MakeDisk()
    {
        directory = Directory.CreateTempSubdirectory("vmrepl-nbd-").FullName;
        file = Path.Combine(directory, "disk.raw");
        contents = new byte[DiskBytes];
        var random = new Random(33);
        using var raw = File.Create(file);
        raw.SetLength(DiskBytes);
        foreach (var mib in new[] { 1, 2, 7, 30 })
        {
            random.NextBytes(contents.AsSpan(mib << 20, 1 << 20));
            raw.Position = (long)mib << 20;
            raw.Write(contents, mib << 20, 1 << 20);
        }
    }

    [TearDown]
    public void RemoveDisk() => Directory.Delete(directory, recursive: true);

    [TestCase("qemu-nbd", false)]
    [TestCase("qemu-nbd", true)]
    [TestCase("nbdkit", false)]
    [TestCase("nbdkit", true)]
    [TestCase("nbdkit --no-sr", false)]
    [TestCase("nbdkit --mask-handshake=0", false)]
    [TestCase("nbdkit --mask-handshake=1", true)]
    [TestCase("nbdkit --filter=nozero", false)]
    [TestCase("nbdkit --filter=fua", false)]
    [TestCase("nbdkit --filter=noextents", false)]
    [TestCase("nbdkit --filter=noparallel", false)]
    [TestCase("nbdkit --filter=blocksize-policy", false)]
    [TestCase("qemu-storage-daemon", false)]
    [TestCase("qemu-storage-daemon", true)]
    public void Device_OverAServer_ReadsAndWritesTheFile(string server, bool tcp)
    {
        using (Serve(server, tcp, null, out var address))
        {
            using var client = NbdClient.Connect(address, server.StartsWith("nbdkit", StringComparison.Ordinal) ? "" : "disk", new NbdClientOptions());
            Assert.That((client.Length, client.IsReadOnly), Is.EqualTo(((long)DiskBytes, false)));
            var whole = new byte[DiskBytes];
            client.Read(0, whole);
            Assert.That(whole.AsSpan().SequenceEqual(contents), Is.True);
            if (server == "nbdkit --filter=blocksize-policy") Assert.That((client.MinimumBlockBytes, client.PayloadBytesMax), Is.EqualTo((4096, 64 << 10)));
            CheckMap(client);
            Write(client);
            client.Flush();
        }

        Assert.That(Digest(File.ReadAllBytes(file)), Is.EqualTo(Digest(contents)));
    }

    [TestCase("qemu-nbd")]
    [TestCase("nbdkit")]
    [TestCase("qemu-storage-daemon")]
    public void Device_OverTls_ReadsAndWritesTheFile(string server)
    {
        using var certificates = new Certificates(Directory.CreateDirectory(Path.Combine(directory, "pki")).FullName);
        using (Serve(server, tcp: true, certificates, out var address))
        {
            var export = server == "nbdkit" ? "" : "disk";
            var options = new NbdClientOptions { Tls = certificates.ClientOptions("localhost") };
            using var client = NbdClient.Connect(address, export, options);
            Assert.That(client.IsTls, Is.True);
            var whole = new byte[DiskBytes];
            client.Read(0, whole);
            Assert.That(whole.AsSpan().SequenceEqual(contents), Is.True);
            Write(client);
            client.Flush();
            Assert.That(() => NbdClient.Connect(address, export, new NbdClientOptions()), Throws.TypeOf<NbdException>().With.Message.Contains("TLS"), "in the clear");
            Assert.That(() => NbdClient.Connect(address, export, options with { Tls = certificates.ClientOptions("elsewhere.example") }), Throws.TypeOf<NbdException>().With.Message.Contains("the TLS handshake failed"), "another host");
        }

        Assert.That(Digest(File.ReadAllBytes(file)), Is.EqualTo(Digest(contents)));
    }

    [Test]
    public void NbdkitMemory_WithDelay_AnswersManyAtOnce()
    {
        ExternalTool.Require("nbdkit");
        var address = new NbdAddress.Unix(Path.Combine(directory, "s.sock"));
        using var server = new ServerProgram("nbdkit", address, "-f", "-U", address.Path, "--threads=32", "--filter=delay", "memory", "8M", "delay-read=200ms");
        using var client = NbdClient.Connect(address, "", new NbdClientOptions());
        var data = new byte[8 << 20];
        new Random(9).NextBytes(data);
        client.Write(0, data);
        var watch = System.Diagnostics.Stopwatch.StartNew();
        InThreads(32, thread =>
        {
            var read = new byte[4096];
            client.Read(thread * 4096, read);
            Assert.That(read.AsSpan().SequenceEqual(data.AsSpan(thread * 4096, 4096)), Is.True);
        });
        Assert.That(watch.Elapsed, Is.GreaterThanOrEqualTo(TimeSpan.FromMilliseconds(200)).And.LessThan(TimeSpan.FromSeconds(3)), "one after the other it takes 6.4 s");
    }

    [Test]
    public void NbdkitError_OfARequest_IsToldAndTheConnectionGoesOn()
    {
        ExternalTool.Require("nbdkit");
        var address = new NbdAddress.Unix(Path.Combine(directory, "s.sock"));
        using var server = new ServerProgram("nbdkit", address, "-f", "-U", address.Path, "--filter=error", "memory", "8M", "error-pwrite=ENOSPC", "error-pwrite-rate=100%");
        using var client = NbdClient.Connect(address, "", new NbdClientOptions());
        Assert.That(() => client.Write(4096, new byte[512]), Throws.TypeOf<NbdRequestException>().With.Property("Error").EqualTo(NbdError.NoSpace).And.Property("Offset").EqualTo(4096));
        Assert.That(() => client.Read(4096, new byte[512]), Throws.Nothing);
    }

    [Test]
    public void NbdkitReadOnlyOrOddSize_IsToldByName()
    {
        ExternalTool.Require("nbdkit");
        var address = new NbdAddress.Unix(Path.Combine(directory, "s.sock"));
        using (new ServerProgram("nbdkit", address, "-f", "-U", address.Path, "-r", "file", file))
        {
            using var client = NbdClient.Connect(address, "", new NbdClientOptions());
            Assert.That(() => client.Write(0, new byte[512]), Throws.TypeOf<NotSupportedException>());
        }

        File.Delete(address.Path);
        using (new ServerProgram("nbdkit", address, "-f", "-U", address.Path, "memory", "100000")) Assert.That(() => NbdClient.Connect(address, "", new NbdClientOptions()), Throws.TypeOf<NbdException>().With.Message.Contains("100000 bytes, which is no multiple of 512"));
    }

    [TestCase("nbdkit")]
    [TestCase("qemu-nbd")]
    public void List_OfAServer_NamesItsExports(string server)
    {
        using (Serve(server, tcp: false, null, out var address)) Assert.That(NbdClient.List(address, new NbdClientOptions()).Select(export => export.Name), Is.EqualTo(new[] { server == "nbdkit" ? "" : "disk" }));
    }

    [Test]
    public void Open_OfANameThatIsNotThere_TellsTheServersSentence()
    {
        using (Serve("qemu-nbd", tcp: false, null, out var address)) Assert.That(() => NbdClient.Connect(address, "other", new NbdClientOptions()), Throws.TypeOf<NbdException>().With.Message.Contains("does not open \"other\": Unknown"));
    }

    [Test]
    public void QemuStorageDaemon_DirtyBitmapOfAQcow2_TellsWhatWasWritten()
    {
        ExternalTool.Require("qemu-storage-daemon");
        ExternalTool.Require("qemu-img");
        ExternalTool.Require("qemu-io");
        var image = Path.Combine(directory, "disk.qcow2");
        ExternalTool.Run("qemu-img", "create", "-f", "qcow2", image, $"{DiskBytes}");
        ExternalTool.Run("qemu-img", "bitmap", "--add", "-g", "65536", image, "b0");
        ExternalTool.Run("qemu-io", "-f", "qcow2", "-c", "write -P 1 1M 128k", "-c", "write -P 2 20M 64k", image);
        var address = new NbdAddress.Unix(Path.Combine(directory, "s.sock"));
        using (new ServerProgram("qemu-storage-daemon", address, "--blockdev", $"driver=file,node-name=f,filename={image}", "--blockdev", "driver=qcow2,node-name=d,file=f", "--nbd-server", $"addr.type=unix,addr.path={address.Path}",
            "--export", "type=nbd,id=e,node-name=d,name=disk,writable=on,bitmaps.0=b0"))
        {
            using var client = NbdClient.Connect(address, "disk", new NbdClientOptions { Contexts = ["qemu:dirty-bitmap:b0", NbdContextNames.AllocationDepth] });
            Assert.That(client.Contexts, Is.EquivalentTo(new[] { NbdContextNames.Allocation, "qemu:dirty-bitmap:b0" }), "the depth is not exported without being asked for on its command line");
            Assert.That(Runs(client.Status("qemu:dirty-bitmap:b0", 0, DiskBytes)), Is.EqualTo(new[] { (1L << 20, 128L << 10, 1u), (20L << 20, 64L << 10, 1u) }));
            Assert.That(client.Map(0, DiskBytes).Where(run => run.HasData).Sum(run => run.Length), Is.EqualTo(192 << 10));
            // Unaligned, and within one block of the bitmap.
            Assert.That(client.Status("qemu:dirty-bitmap:b0", (1 << 20) + 512, 1024).ToList(), Is.EqualTo(new[] { new NbdExtent(1024, 1) }));
            using var all = NbdClient.Connect(address, "disk", new NbdClientOptions { Contexts = ["qemu:dirty-bitmap:"] });
            Assert.That(all.Contexts, Does.Contain("qemu:dirty-bitmap:b0"));
        }
    }

    [Test]
    public void QemuNbd_KilledAmidRequests_ReleasesEveryCaller()
    {
        ExternalTool.Require("qemu-nbd");
        var address = new NbdAddress.Unix(Path.Combine(directory, "s.sock"));
        using var server = Serve("qemu-nbd", address);
        using var client = NbdClient.Connect(address, "disk", new NbdClientOptions());
        using var going = new CountdownEvent(8);
        var faults = new ConcurrentBag<Exception>();
        var threads = Enumerable.Range(0, 8).Select(thread => new Thread(() =>
        {
            try
            {
                var read = new byte[64 << 10];
                for (var round = 0; ; round++)
                {
                    client.Read(thread << 20, read);
                    if (round == 10) going.Signal();
                }
            }
            catch (Exception e)
            {
                faults.Add(e);
            }
        })).ToList();
        threads.ForEach(thread => thread.Start());
        Assert.That(going.Wait(20_000), Is.True);
        server.Dispose();
        Assert.That(threads.TrueForAll(thread => thread.Join(10_000)), Is.True);
        Assert.That(faults, Has.Count.EqualTo(8).And.All.TypeOf<NbdException>());
    }

    private ServerProgram Serve(string server, bool tcp, Certificates? certificates, out NbdAddress address)
    {
        address = tcp ? new NbdAddress.Tcp("127.0.0.1", ServerProgram.FreePort()) : new NbdAddress.Unix(Path.Combine(directory, "s.sock"));
        return Serve(server, address, certificates);
    }

    private ServerProgram Serve(string server, NbdAddress address, Certificates? certificates = null)
    {
        var words = server.Split(' ');
        ExternalTool.Require(words[0]);
        var (path, port) = ((address as NbdAddress.Unix)?.Path, (address as NbdAddress.Tcp)?.Port.ToString(CultureInfo.InvariantCulture));
        string[] Place(string unix, string tcp) => path is null ? [tcp, port!] : [unix, path];
        string[] credentials = certificates is null || words[0] == "nbdkit" ? [] : ["--object", $"tls-creds-x509,id=t,dir={certificates.Directory},endpoint=server,verify-peer=on"];
        switch (words[0])
        {
            case "qemu-nbd":
                return new ServerProgram("qemu-nbd", address, ["-f", "raw", "-x", "disk", "-t", "-e", "16", "--discard=unmap", .. Place("-k", "-p"), .. path is null ? (string[])["-b", "127.0.0.1"] : [], .. credentials, .. certificates is null ? (string[])[] : ["--tls-creds", "t"], file]);
            case "nbdkit":
                string[] extra = words[^1] switch
                {
                    "--filter=blocksize-policy" => ["blocksize-minimum=4096", "blocksize-preferred=4096", "blocksize-maximum=65536", "blocksize-error-policy=error"],
                    "--filter=fua" => ["fuamode=emulate"],
                    _ => [],
                };
                return new ServerProgram("nbdkit", address, ["-f", .. Place("-U", "-p"), .. certificates is null ? (string[])[] : ["--tls=require", $"--tls-certificates={certificates.Directory}", "--tls-verify-peer"], .. words[1..], "file", file, .. extra]);
            default:
                var listen = path is null ? $"addr.type=inet,addr.host=127.0.0.1,addr.port={port}" : $"addr.type=unix,addr.path={path}";
                return new ServerProgram("qemu-storage-daemon", address, [.. credentials, "--blockdev", $"driver=file,node-name=f,filename={file},discard=unmap", "--nbd-server", listen + (certificates is null ? "" : ",tls-creds=t"),
                    "--export", "type=nbd,id=e,node-name=f,name=disk,writable=on"]);
        }
    }

    /// <summary>Whatever the map calls no data has to be zeros, and it has to know some holes where it knows anything.</summary>
    private void CheckMap(NbdClient client)
    {
        var place = 0L;
        foreach (var run in client.Map(0, DiskBytes))
        {
            Assert.That(run.Offset, Is.EqualTo(place));
            if (!run.HasData) Assert.That(Sectors.IsZero(contents.AsSpan((int)run.Offset, (int)run.Length)), Is.True, $"{run}");
            place = run.End;
        }

        Assert.That(place, Is.EqualTo(DiskBytes));
        if (client.Contexts.Contains(NbdContextNames.Allocation) && !client.Map(0, DiskBytes).All(run => run.HasData)) Assert.That(client.Map(3 << 20, 1 << 20).All(run => !run.HasData), Is.True);
    }

    /// <summary>Writes, zeros and holes of every size by eight threads, each in a part of its own, which is read again; <see cref="contents"/> follows.</summary>
    private void Write(NbdClient client) => InThreads(8, thread =>
    {
        var random = new Random(thread);
        var (start, size) = (thread * (DiskBytes / 8), DiskBytes / 8);
        for (var round = 0; round < 40; round++)
        {
            var length = random.Next(1, round % 8 == 0 ? 1 << 20 : 70_000);
            var offset = start + random.Next(size - length);
            var data = new byte[length];
            switch (round % 5)
            {
                case 0:
                    client.Punch(offset, length);
                    break;
                case 1:
                    client.Zero(offset, length);
                    break;
                case 2:
                    if (client.TryZeroFast(offset, length, keepsSpace: false)) break;
                    client.Punch(offset, length);
                    break;
                case 3:
                    random.NextBytes(data);
                    client.WriteThrough(offset, data);
                    break;
                default:
                    random.NextBytes(data);
                    client.Write(offset, data);
                    client.Cache(offset, length);
                    break;
            }

            data.CopyTo(contents, offset);
            var read = new byte[length];
            client.Read(offset, read);
            Assert.That(read.AsSpan().SequenceEqual(data), Is.True, $"thread {thread}, round {round}");
        }

        var part = new byte[size];
        client.Read(start, part);
        Assert.That(part.AsSpan().SequenceEqual(contents.AsSpan(start, size)), Is.True, $"thread {thread}");
    });

    private static void InThreads(int count, Action<int> action)
    {
        var faults = new ConcurrentBag<Exception>();
        var threads = Enumerable.Range(0, count).Select(index => new Thread(() =>
        {
            try
            {
                action(index);
            }
            catch (Exception e)
            {
                faults.Add(e);
            }
        })).ToList();
        threads.ForEach(thread => thread.Start());
        threads.ForEach(thread => thread.Join());
        Assert.That(faults, Is.Empty);
    }

    private static List<(long Offset, long Length, uint Flags)> Runs(IEnumerable<NbdExtent> extents)
    {
        var (runs, offset) = (new List<(long, long, uint)>(), 0L);
        foreach (var extent in extents)
        {
            if (extent.Flags != 0) runs.Add((offset, extent.Length, extent.Flags));
            offset += extent.Length;
        }

        Assert.That(offset, Is.EqualTo(DiskBytes));
        return runs;
    }

    private static string Digest(byte[] bytes) => Convert.ToHexString(SHA256.HashData(bytes));
}
