using System.Buffers.Binary;
using System.Net.Sockets;
using VmRepl.Nbd.Client;
using VmRepl.Nbd.Tests.Server;
using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Tests.Client;

/// <summary>Servers that cut, lie and stall: each ends in one typed error, in time, and with nobody left waiting.</summary>
[TestFixture]
public class BadServerTests
{
    private const int DiskBytes = 1 << 20;

    private static readonly NbdClientOptions Options = new() { ConnectMax = TimeSpan.FromSeconds(5), RequestMax = TimeSpan.FromSeconds(2) };

    private string directory = null!;

    [SetUp]
    public void MakeDirectory() => directory = Directory.CreateTempSubdirectory("vmrepl-nbdc-").FullName;

    [TearDown]
    public void Remove() => Directory.Delete(directory, recursive: true);

    [Test]
    public void Negotiation_CutAtEveryByte_IsOneError()
    {
        var whole = Negotiation();
        for (var cut = 0; cut < whole.Length; cut++)
        {
            using var server = new Script(At($"{cut}"), whole[..cut]);
            Assert.That(() => NbdClient.Connect(server.Address, "disk", Options), Throws.TypeOf<NbdException>(), $"cut after {cut} bytes");
        }
    }

    [Test]
    public void Negotiation_AnyByteFlipped_NeverThrowsAnythingElse()
    {
        var whole = Negotiation();
        var random = new Random(17);
        for (var i = 0; i < 150; i++)
        {
            var bytes = (byte[])whole.Clone();
            bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
            using var server = new Script(At($"{i}"), bytes);
            try
            {
                using var client = NbdClient.Connect(server.Address, "disk", Options);
            }
            catch (NbdException)
            {
                // As it should be, where the flip matters.
            }
        }
    }

    [Test]
    public void Server_SaysNothing_IsGivenUpAtTheDeadline()
    {
        using var server = new Script(At("s"), [], staysOpen: true);
        var started = Environment.TickCount64;
        Assert.That(() => NbdClient.Connect(server.Address, "disk", Options with { ConnectMax = TimeSpan.FromMilliseconds(300) }), Throws.TypeOf<NbdException>());
        Assert.That(Environment.TickCount64 - started, Is.LessThan(5000));
    }

    [Test]
    public void Reply_NeverComes_IsGivenUpForAllWhoWait()
    {
        using var server = new Script(At("s"), Negotiation(), staysOpen: true);
        using var client = NbdClient.Connect(server.Address, "disk", Options with { RequestMax = TimeSpan.FromMilliseconds(300) });
        var waiting = Enumerable.Range(0, 8).Select(i => Task.Run(() => client.Read(i * 512, new byte[512]))).ToArray();
        Assert.That(() => Task.WaitAll(waiting, 10_000), Throws.TypeOf<AggregateException>().With.InnerException.TypeOf<NbdException>());
        Assert.That(waiting, Is.All.Matches<Task>(t => t.IsFaulted));
        Assert.That(() => client.Flush(), Throws.TypeOf<NbdException>(), "the connection is of no more use");
    }

    [Test]
    public void Reply_CutAtEveryByte_IsOneError()
    {
        byte[] reply = [.. Chunk(NbdChunk.OffsetData, 1, [.. Long(0), .. new byte[512]], isLast: true)];
        for (var cut = 0; cut < reply.Length; cut += cut < 40 ? 1 : 97)
        {
            using var server = new Script(At($"{cut}"), [.. Negotiation(), .. reply[..cut]]);
            Assert.That(() => ReadFrom(server), Throws.TypeOf<NbdException>(), $"cut after {cut} bytes");
        }
    }

    private static IEnumerable<TestCaseData> Lies()
    {
        yield return Case("another magic", [.. Number(0x12345678), .. new byte[100]]);
        yield return Case("an answer nobody asked for", Chunk(NbdChunk.OffsetData, 99, [.. Long(0), .. new byte[512]], true));
        yield return Case("before the range", Chunk(NbdChunk.OffsetData, 1, [.. Long(ulong.MaxValue - 10), .. new byte[512]], true));
        yield return Case("behind the range", Chunk(NbdChunk.OffsetData, 1, [.. Long(512), .. new byte[512]], true));
        yield return Case("too much", Chunk(NbdChunk.OffsetData, 1, [.. Long(0), .. new byte[513]], true));
        yield return Case("too little", Chunk(NbdChunk.OffsetData, 1, [.. Long(0), .. new byte[511]], true));
        yield return Case("twice the same", [.. Chunk(NbdChunk.OffsetData, 1, [.. Long(0), .. new byte[300]], false), .. Chunk(NbdChunk.OffsetData, 1, [.. Long(0), .. new byte[300]], true)]);
        yield return Case("nothing at all", Chunk(NbdChunk.None, 1, [], true));
        yield return Case("a hole of 4 GiB", Chunk(NbdChunk.OffsetHole, 1, [.. Long(0), .. Number(uint.MaxValue)], true));
        yield return Case("a block status", Chunk(NbdChunk.BlockStatus, 1, [.. Number(1), .. Number(512), .. Number(0)], true));
        yield return Case("a chunk of 4 GiB", [.. Chunk(NbdChunk.OffsetData, 1, [], true)[..16], .. Number(uint.MaxValue)]);
        yield return Case("an error of 2 GiB", [.. Chunk(NbdChunk.Error, 1, [], true)[..16], .. Number(int.MaxValue)]);
        yield return Case("an unknown chunk", Chunk((NbdChunk)77, 1, [1, 2, 3], true));

        static TestCaseData Case(string name, byte[] reply) => new TestCaseData(reply).SetArgDisplayNames(name);
    }

    [TestCaseSource(nameof(Lies))]
    public void Reply_ThatLies_IsOneErrorAndEndsTheConnection(byte[] reply)
    {
        using var server = new Script(At("s"), [.. Negotiation(), .. reply], staysOpen: true);
        Assert.That(() => ReadFrom(server), Throws.TypeOf<NbdException>().With.Message.Contains("expected"));
    }

    [Test]
    public void Reply_WithAnError_EndsThatRequestAlone()
    {
        using var device = new MemoryDevice(DiskBytes)
        {
            Before = (_, offset, _) =>
            {
                if (offset == 4096) throw new IOException("the medium\nis gone");
            },
        };
        using var stage = new ServingStage(device);
        using var client = NbdClient.Connect(new NbdAddress.Unix(stage.Socket), "disk", Options);
        Assert.That(() => client.Read(4096, new byte[512]), Throws.TypeOf<NbdRequestException>().With.Message.Contains("the medium is gone").And.Property(nameof(NbdRequestException.Error)).EqualTo(NbdError.Io));
        client.Read(0, new byte[512]);
    }

    [Test]
    public void Export_OfNoWholeSectors_IsRefusedByName()
    {
        using var server = new Script(At("s"), Negotiation(length: 1000), staysOpen: true);
        Assert.That(() => NbdClient.Connect(server.Address, "disk", Options), Throws.TypeOf<NbdException>().With.Message.Contains("1000 bytes"));
    }

    [TestCase(3u, 32u << 20)]
    [TestCase(0u, 32u << 20)]
    [TestCase(1u << 30, 1u << 30)]
    [TestCase(4096u, 512u)]
    public void Export_WithBlockSizesThatCannotBe_IsRefused(uint least, uint most)
    {
        using var server = new Script(At("s"), Negotiation(least: least, most: most), staysOpen: true);
        Assert.That(() => NbdClient.Connect(server.Address, "disk", Options), Throws.TypeOf<NbdException>());
    }

    private static void ReadFrom(Script server)
    {
        using var client = NbdClient.Connect(server.Address, "disk", Options);
        client.Read(0, new byte[512]);
    }

    private string At(string name) => Path.Combine(directory, name);

    private static byte[] Negotiation(ulong length = DiskBytes, uint least = 1, uint most = 32 << 20) =>
    [
        .. Long(NbdMagic.Server), .. Long(NbdMagic.Option), 0, 3,
        .. Answer(NbdOption.StructuredReply, NbdOptionReply.Ack, []),
        .. Answer(NbdOption.SetMetaContext, NbdOptionReply.MetaContext, [.. Number(1), .. "base:allocation"u8]), .. Answer(NbdOption.SetMetaContext, NbdOptionReply.Ack, []),
        .. Answer(NbdOption.Go, NbdOptionReply.Info, [0, 0, .. Long(length), 0, 0xff]), .. Answer(NbdOption.Go, NbdOptionReply.Info, [0, 3, .. Number(least), .. Number(4096), .. Number(most)]), .. Answer(NbdOption.Go, NbdOptionReply.Ack, []),
    ];

    private static byte[] Answer(NbdOption option, NbdOptionReply kind, byte[] data) => [.. Long(NbdMagic.OptionReply), .. Number((uint)option), .. Number((uint)kind), .. Number((uint)data.Length), .. data];

    private static byte[] Chunk(NbdChunk kind, ulong cookie, byte[] data, bool isLast) =>
        [.. Number(NbdMagic.StructuredReply), 0, (byte)(isLast ? 1 : 0), (byte)((ushort)kind >> 8), (byte)kind, .. Long(cookie), .. Number((uint)data.Length), .. data];

    private static byte[] Number(uint value)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, value);
        return bytes;
    }

    private static byte[] Long(ulong value)
    {
        var bytes = new byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, value);
        return bytes;
    }

    /// <summary>Says what it was given to say to the first client, whatever that asks.</summary>
    private sealed class Script : IDisposable
    {
        private readonly Socket listening = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        private readonly CancellationTokenSource ending = new();
        private readonly Task talking;

        public Script(string path, byte[] says, bool staysOpen = false)
        {
            Address = new NbdAddress.Unix(path);
            listening.Bind(new UnixDomainSocketEndPoint(path));
            listening.Listen(1);
            talking = Task.Run(() =>
            {
                using var client = listening.Accept();
                // What the client asks is taken, so that it does not wait to be heard.
                var hearing = Task.Run(() =>
                {
                    var heard = new byte[4096];
                    try
                    {
                        while (client.Receive(heard) > 0)
                        {
                        }
                    }
                    catch (SocketException)
                    {
                        // It went.
                    }
                });
                // An answer must not come before its question: all but the negotiation waits for the client to be through with it.
                var negotiation = Math.Min(says.Length, Negotiation().Length);
                client.Send(says.AsSpan(0, negotiation));
                if (says.Length > negotiation)
                {
                    Thread.Sleep(50);
                    client.Send(says.AsSpan(negotiation));
                }

                if (staysOpen) ending.Token.WaitHandle.WaitOne();
                client.Shutdown(SocketShutdown.Both);
                hearing.Wait();
            });
        }

        public NbdAddress.Unix Address { get; }

        public void Dispose()
        {
            ending.Cancel();
            try
            {
                talking.Wait(2000);
            }
            catch (AggregateException)
            {
                // The client was gone before.
            }

            listening.Dispose();
            ending.Dispose();
        }
    }
}
