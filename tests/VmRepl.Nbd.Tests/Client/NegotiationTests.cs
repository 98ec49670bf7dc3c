using System.Diagnostics;
using System.Net.Security;
using System.Text;
using VmRepl.Nbd.Client;
using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Tests.Client;

[TestFixture]
public class NegotiationTests
{
    [Test]
    public void Negotiation_CutAtEveryByte_EndsInAnException()
    {
        using var server = new ScriptedServer(peer =>
        {
            peer.Open(sizes: ScriptedPeer.BlockFact(1, 4096, 1 << 20));
            peer.Serve(new byte[ScriptedPeer.DiskBytes], []);
        });
        using (var client = server.Connect()) Assert.That(client.Length, Is.EqualTo(ScriptedPeer.DiskBytes));
        var total = server.Sent;
        Assert.That(total, Is.GreaterThan(150));
        for (var cut = 0; cut < total; cut++)
        {
            server.BytesMax = cut;
            Assert.That(() => server.Connect().Dispose(), Throws.TypeOf<NbdException>(), $"cut after {cut} of {total} bytes");
        }
    }

    [Test]
    public void Negotiation_AnyByteFlipped_ThrowsNothingElse()
    {
        byte[] whole =
        [
            .. ScriptedPeer.Number(NbdMagic.Server), .. ScriptedPeer.Number(NbdMagic.Option), 0, 3, .. Answer(NbdOption.StructuredReply, NbdOptionReply.Ack),
            .. Answer(NbdOption.SetMetaContext, NbdOptionReply.MetaContext, ScriptedPeer.Context(1, NbdContextNames.Allocation)), .. Answer(NbdOption.SetMetaContext, NbdOptionReply.Ack),
            .. Answer(NbdOption.Go, NbdOptionReply.Info, ScriptedPeer.ExportFact(ScriptedPeer.DiskBytes)), .. Answer(NbdOption.Go, NbdOptionReply.Info, ScriptedPeer.BlockFact(1, 4096, 1 << 20)), .. Answer(NbdOption.Go, NbdOptionReply.Ack),
        ];
        var (said, refused) = (whole, 0);
        using var server = new ScriptedServer(peer =>
        {
            peer.Send(said);
            peer.Socket.Shutdown(System.Net.Sockets.SocketShutdown.Send);
            while (true) peer.Receive(1);
        });
        Assert.That(() => server.Connect().Dispose(), Throws.Nothing);
        for (var bit = 0; bit < whole.Length * 8; bit++)
        {
            said = [.. whole];
            said[bit / 8] ^= (byte)(1 << (bit % 8));
            try
            {
                server.Connect().Dispose();
            }
            catch (NbdException)
            {
                refused++;
            }
        }

        Assert.That(refused, Is.GreaterThan(whole.Length * 4));
    }

    [Test]
    public void Negotiation_ByNameCutAtEveryByte_EndsInAnException()
    {
        using var server = new ScriptedServer(peer =>
        {
            peer.Greet(NbdHandshakeFlags.None);
            peer.ReadOption();
            peer.Send([.. ScriptedPeer.ExportFact(ScriptedPeer.DiskBytes)[2..], .. new byte[124]]);
            peer.Serve(new byte[ScriptedPeer.DiskBytes], []);
        });
        using (var client = server.Connect()) Assert.That(client.HasStructuredReplies, Is.False);
        for (var (cut, total) = (0, server.Sent); cut < total; cut++)
        {
            server.BytesMax = cut;
            Assert.That(() => server.Connect().Dispose(), Throws.TypeOf<NbdException>(), $"cut after {cut} of {total} bytes");
        }
    }

    private static IEnumerable<TestCaseData> Lies()
    {
        static TestCaseData Case(string name, string told, Action<ScriptedPeer> script) => new TestCaseData(script, told).SetArgDisplayNames(name);
        static Action<ScriptedPeer> AtGo(params byte[][] facts) => peer =>
        {
            peer.Greet();
            peer.ReadOption();
            peer.Reply(NbdOption.StructuredReply, NbdOptionReply.Unsupported);
            peer.ReadOption();
            foreach (var fact in facts) peer.Reply(NbdOption.Go, NbdOptionReply.Info, fact);
            peer.Reply(NbdOption.Go, NbdOptionReply.Ack);
        };
        static Action<ScriptedPeer> AtContexts(params byte[][] contexts) => peer =>
        {
            peer.Greet();
            peer.ReadOption();
            peer.Reply(NbdOption.StructuredReply, NbdOptionReply.Ack);
            peer.ReadOption();
            foreach (var context in contexts) peer.Reply(NbdOption.SetMetaContext, NbdOptionReply.MetaContext, context);
            peer.Reply(NbdOption.SetMetaContext, NbdOptionReply.Ack);
        };
        static Action<ScriptedPeer> AtFirst(params byte[] answer) => peer =>
        {
            peer.Greet();
            peer.ReadOption();
            peer.Send(answer);
            peer.ReadOption();
        };
        var disk = ScriptedPeer.ExportFact(ScriptedPeer.DiskBytes);
        yield return Case("another greeting", "not with NBDMAGIC", peer => peer.Send("SSH-2.0-OpenSSH_9.2\r\n"u8.ToArray()));
        yield return Case("another second word", "not with IHAVEOPT", peer => peer.Send([.. ScriptedPeer.Number(NbdMagic.Server), .. new byte[10]]));
        yield return Case("oldstyle", "oldstyle", peer => peer.Send([.. ScriptedPeer.Number(NbdMagic.Server), .. ScriptedPeer.Number(NbdMagic.Oldstyle), .. new byte[136]]));
        yield return Case("another magic of an answer", "begins with 0x", AtFirst(new byte[20]));
        yield return Case("the answer to another option", "it answered option 77", AtFirst([.. ScriptedPeer.Number(NbdMagic.OptionReply), .. ScriptedPeer.Number(77u), .. ScriptedPeer.Number(1u), .. ScriptedPeer.Number(0u)]));
        yield return Case("an answer of 4 GiB", "4294967295 bytes of data", AtFirst([.. ScriptedPeer.Number(NbdMagic.OptionReply), .. ScriptedPeer.Number(8u), .. ScriptedPeer.Number(1u), .. ScriptedPeer.Number(uint.MaxValue)]));
        yield return Case("a yes with data", "has 4 bytes of data", AtFirst([.. ScriptedPeer.Number(NbdMagic.OptionReply), .. ScriptedPeer.Number(8u), .. ScriptedPeer.Number(1u), .. ScriptedPeer.Number(4u), 1, 2, 3, 4]));
        yield return Case("an answer of another kind", "was expected", AtFirst([.. ScriptedPeer.Number(NbdMagic.OptionReply), .. ScriptedPeer.Number(8u), .. ScriptedPeer.Number(3u), .. ScriptedPeer.Number(0u)]));
        yield return Case("TLS asked for", "asks for TLS", AtFirst([.. ScriptedPeer.Number(NbdMagic.OptionReply), .. ScriptedPeer.Number(8u), .. ScriptedPeer.Number(0x80000005u), .. ScriptedPeer.Number(0u)]));
        yield return Case("no size", "without telling its size", AtGo());
        yield return Case("a short fact", "a fact of 1 bytes", AtGo([0]));
        yield return Case("a short size", "in 4 bytes", AtGo([0, 0, 1, 2, 3, 4]));
        yield return Case("short block sizes", "the block sizes in 5 bytes", AtGo(disk, [0, 3, 1, 2, 3, 4, 5]));
        yield return Case("a least request of 3", "cannot be", AtGo(disk, ScriptedPeer.BlockFact(3, 4096, 1 << 20)));
        yield return Case("a least request of 0", "cannot be", AtGo(disk, ScriptedPeer.BlockFact(0, 4096, 1 << 20)));
        yield return Case("a least request of 128 KiB", "cannot be", AtGo(disk, ScriptedPeer.BlockFact(128 << 10, 128 << 10, 1 << 20)));
        yield return Case("most below least", "cannot be", AtGo(disk, ScriptedPeer.BlockFact(4096, 4096, 512)));
        yield return Case("most no multiple of least", "cannot be", AtGo(disk, ScriptedPeer.BlockFact(4096, 4096, 5000)));
        yield return Case("a size of 1000", "\"disk\" has 1000 bytes, which is no multiple of 512", AtGo(ScriptedPeer.ExportFact(1000)));
        yield return Case("a size of 2^63", "are the most", AtGo(ScriptedPeer.ExportFact(1UL << 63)));
        yield return Case("a size between blocks", "no multiple of its least request", AtGo(ScriptedPeer.ExportFact(4096 + 512), ScriptedPeer.BlockFact(4096, 4096, 1 << 20)));
        yield return Case("a context nobody asked for", "which was not asked for", AtContexts(ScriptedPeer.Context(1, "other:thing")));
        yield return Case("a context twice", "twice", AtContexts(ScriptedPeer.Context(1, "base:allocation"), ScriptedPeer.Context(2, "base:allocation")));
        yield return Case("a context without a name", "a context of 4 bytes", AtContexts(ScriptedPeer.Number(1u)));
        yield return Case("facts without end", "without an end", peer =>
        {
            peer.Greet();
            peer.ReadOption();
            peer.Reply(NbdOption.StructuredReply, NbdOptionReply.Unsupported);
            peer.ReadOption();
            while (true) peer.Reply(NbdOption.Go, NbdOptionReply.Info, disk);
        });
        yield return Case("an export it does not have", "does not open \"disk\": Unknown, \"no?such\"", peer =>
        {
            peer.Greet();
            peer.ReadOption();
            peer.Reply(NbdOption.StructuredReply, NbdOptionReply.Unsupported);
            peer.ReadOption();
            peer.Reply(NbdOption.Go, NbdOptionReply.Unknown, "no\x1bsuch"u8.ToArray());
        });
    }

    [TestCaseSource(nameof(Lies))]
    public void Negotiation_ServerThatLies_IsToldByName(object script, string told)
    {
        using var server = new ScriptedServer((Action<ScriptedPeer>)script);
        Assert.That(() => server.Connect(), Throws.TypeOf<NbdException>().With.Message.Contains(told).And.Message.StartsWith(server.Address.ToString()));
    }

    [Test]
    public void Negotiation_EverythingRefused_GoesOnWithSimpleReplies()
    {
        var disk = new byte[ScriptedPeer.DiskBytes];
        new Random(1).NextBytes(disk);
        using var server = new ScriptedServer(peer =>
        {
            peer.Open(unsupported: [NbdOption.StructuredReply, NbdOption.Go, NbdOption.SetMetaContext]);
            var request = peer.ReadRequest();
            peer.Simple(request.Cookie, NbdError.None, disk[(int)request.Offset..(int)(request.Offset + request.Length)]);
            peer.ReadRequest();
        });
        using var client = server.Connect();
        var read = new byte[5000];
        client.Read(777, read);
        Assert.Multiple(() =>
        {
            Assert.That(read, Is.EqualTo(disk[777..5777]));
            Assert.That(client.HasStructuredReplies, Is.False);
            Assert.That(client.Contexts, Is.Empty);
            Assert.That(client.Map(512, 1024), Is.EqualTo(new[] { new Blocks.MapExtent(512, 1024, Blocks.BlockState.Data) }));
        });
    }

    [Test]
    public void Negotiation_ContextsWanted_AreAskedForAndNamed()
    {
        string[] given = [NbdContextNames.Allocation, "qemu:dirty-bitmap:b0", "vmrepl:changes"];
        List<(NbdOption Option, byte[] Data)> seen = [];
        using var server = new ScriptedServer(peer =>
        {
            peer.Open(contexts: given);
            seen.AddRange(peer.Options);
            peer.ReadRequest();
        });
        using var client = server.Connect(ScriptedServer.Options() with { Contexts = ["qemu:dirty-bitmap:", "vmrepl:changes", NbdContextNames.Allocation] });
        Assert.That(client.Contexts, Is.EquivalentTo(given));
        var query = Encoding.UTF8.GetString(seen.Single(option => option.Option == NbdOption.SetMetaContext).Data);
        Assert.That(query.Split("base:allocation"), Has.Length.EqualTo(2), "asked for once");
    }

    private static byte[] Answer(NbdOption option, NbdOptionReply kind, params byte[] data) => [.. ScriptedPeer.Number(NbdMagic.OptionReply), .. ScriptedPeer.Number((uint)option), .. ScriptedPeer.Number((uint)kind), .. ScriptedPeer.Number((uint)data.Length), .. data];

    [Test]
    public void Tls_ServerWithout_IsRefused()
    {
        using var server = new ScriptedServer(peer => peer.Open(unsupported: [NbdOption.StartTls]));
        Assert.That(() => server.Connect(ScriptedServer.Options() with { Tls = new SslClientAuthenticationOptions { TargetHost = "localhost" } }), Throws.TypeOf<NbdException>().With.Message.Contains("it has no TLS: Unsupported, \"not here\""));
    }

    [Test]
    public void Tls_BytesInTheClearBehindTheConsent_EndTheConnection()
    {
        using var server = new ScriptedServer(peer =>
        {
            peer.Greet();
            peer.ReadOption();
            peer.Send([.. ScriptedPeer.Number(NbdMagic.OptionReply), .. ScriptedPeer.Number((uint)NbdOption.StartTls), .. ScriptedPeer.Number(1u), .. ScriptedPeer.Number(0u), .. new byte[20]]);
            peer.ReadOption();
        });
        Assert.That(() => server.Connect(ScriptedServer.Options() with { Tls = new SslClientAuthenticationOptions { TargetHost = "localhost" } }), Throws.TypeOf<NbdException>().With.Message.Contains("in the clear"));
    }

    [TestCase(0)]
    [TestCase(1)]
    public void Negotiation_SilentOrDrippingServer_EndsAtTheDeadline(int dripBytes)
    {
        using var server = new ScriptedServer(peer =>
        {
            for (var sent = 0; sent < 10_000; sent++)
            {
                if (dripBytes > 0) peer.Send(sent < 8 ? "NBDMAGIC"u8[sent] : sent < 16 ? "IHAVEOPT"u8[sent - 8] : (byte)0);
                Thread.Sleep(40);
            }
        });
        var watch = Stopwatch.StartNew();
        Assert.That(() => server.Connect(ScriptedServer.Options() with { NegotiationMax = TimeSpan.FromMilliseconds(400) }), Throws.TypeOf<NbdException>().With.Message.Contains("within 0.4 s"));
        Assert.That(watch.Elapsed, Is.LessThan(TimeSpan.FromSeconds(5)));
    }

    [Test]
    public void Connect_NobodyListens_IsTold()
    {
        Assert.Multiple(() =>
        {
            Assert.That(() => NbdClient.Connect(new NbdAddress.Unix("/nonexistent/s.sock"), "", new NbdClientOptions()), Throws.TypeOf<NbdException>().With.Message.StartsWith("unix:/nonexistent/s.sock: no connection"));
            Assert.That(() => NbdClient.Connect(new NbdAddress.Tcp("127.0.0.1", 1), "", new NbdClientOptions()), Throws.TypeOf<NbdException>());
            Assert.That(() => NbdClient.Connect(new NbdAddress.Unix("x"), "", new NbdClientOptions { RequestsMax = 0 }), Throws.TypeOf<ArgumentOutOfRangeException>());
        });
    }

    [Test]
    public void List_NamesAndDescriptions_AreRead()
    {
        using var server = new ScriptedServer(peer =>
        {
            peer.Greet();
            peer.ReadOption();
            peer.Reply(NbdOption.List, NbdOptionReply.Server, [.. ScriptedPeer.Number(3u), .. "one"u8]);
            peer.Reply(NbdOption.List, NbdOptionReply.Server, [.. ScriptedPeer.Number(3u), .. "twothe second"u8]);
            peer.Reply(NbdOption.List, NbdOptionReply.Ack);
            Assert.That(peer.ReadOption().Option, Is.EqualTo(NbdOption.Abort));
        });
        Assert.That(NbdClient.List(server.Address, ScriptedServer.Options()), Is.EqualTo(new[] { new NbdListedExport("one", ""), new NbdListedExport("two", "the second") }));
    }

    [TestCase("a name that does not fit", "does not fit")]
    [TestCase("a list without end", "lists more than")]
    [TestCase("a refusal", "Policy, \"not for you\"")]
    public void List_ServerThatLiesOrRefuses_IsToldByName(string what, string told)
    {
        using var server = new ScriptedServer(peer =>
        {
            peer.Greet();
            peer.ReadOption();
            if (what == "a refusal") peer.Reply(NbdOption.List, NbdOptionReply.Policy, "not for you"u8.ToArray());
            while (what != "a refusal") peer.Reply(NbdOption.List, NbdOptionReply.Server, [.. ScriptedPeer.Number(what == "a list without end" ? 3u : 4u), .. "one"u8]);
        });
        Assert.That(() => NbdClient.List(server.Address, ScriptedServer.Options()), Throws.TypeOf<NbdException>().With.Message.Contains(told));
    }
}
