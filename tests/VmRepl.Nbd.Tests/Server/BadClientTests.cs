using System.Buffers.Binary;
using VmRepl.Nbd.Server;
using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Tests.Server;

/// <summary>Clients that cut, lie and flood: each is told or cut off with a log line, and another client beside it notices nothing.</summary>
[TestFixture]
public class BadClientTests
{
    private const int DiskBytes = 1 << 20;

    private MemoryDevice device = null!;
    private ServingStage stage = null!;
    private RawClient other = null!;

    [SetUp]
    public void Serve()
    {
        device = new MemoryDevice(DiskBytes);
        new Random(7).NextBytes(device.Bytes);
        stage = new ServingStage(device, new NbdServerOptions { NegotiationMax = TimeSpan.FromSeconds(2), SendStallMax = TimeSpan.FromSeconds(1) });
        other = RawClient.Opened(stage.Socket);
    }

    [TearDown]
    public void OtherClientsAreUnhurt()
    {
        try
        {
            other.Send(RawClient.Request(NbdCommand.Read, 99, 4096, 512));
            var reply = other.ReadReply();
            Assert.That(reply.Cookie, Is.EqualTo(99));
            Assert.That(reply.Data[8..], Is.EqualTo(device.Bytes[4096..4608]));
        }
        finally
        {
            other.Dispose();
            stage.Dispose();
            device.Dispose();
        }
    }

    [Test]
    public void Session_CutAtEveryByte_IsEnded()
    {
        byte[] session =
        [
            .. RawClient.Number(3), .. RawClient.Option(NbdOption.StructuredReply, []), .. RawClient.Option(NbdOption.SetMetaContext, [.. RawClient.Text("disk"), .. RawClient.Number(1), .. RawClient.Text("base:allocation")]),
            .. RawClient.Option(NbdOption.Go, RawClient.GoData("disk")), .. RawClient.Request(NbdCommand.Read, 1, 0, 512), .. RawClient.Request(NbdCommand.Write, 2, 8192, 100), .. new byte[100],
            .. RawClient.Request(NbdCommand.BlockStatus, 3, 0, 8192), .. RawClient.Request(NbdCommand.Flush, 4, 0, 0),
        ];
        for (var cut = 0; cut < session.Length; cut++)
        {
            using var client = new RawClient(stage.Socket);
            client.Send(session[..cut]);
            client.Socket.Shutdown(System.Net.Sockets.SocketShutdown.Send);
            Assert.That(client.IsEnded(), Is.True, $"cut after {cut} bytes");
        }

        Assert.That(() => stage.Server.ClientCount, Is.EqualTo(1).After(5000, 5));
    }

    [Test]
    public void Option_WithAnotherMagic_IsCutOffAndLogged()
    {
        using var client = new RawClient(stage.Socket);
        client.Greet();
        client.Send([.. "NOTANOPT"u8, 0, 0, 0, 3, 0, 0, 0, 0]);
        Assert.That(client.IsEnded(), Is.True);
        Assert.That(() => stage.Log.Warnings, Has.Some.Contains("not with IHAVEOPT").After(2000, 5));
    }

    [Test]
    public void Option_OfAGigabyte_IsCutOffBeforeItIsReserved()
    {
        using var client = new RawClient(stage.Socket);
        client.Greet();
        var option = RawClient.Option(NbdOption.Go, []);
        BinaryPrimitives.WriteUInt32BigEndian(option.AsSpan(12), 1 << 30);
        client.Send(option);
        Assert.That(client.IsEnded(), Is.True);
        Assert.That(() => stage.Log.Warnings, Has.Some.Contains("1073741824 bytes of data").After(2000, 5));
    }

    [Test]
    public void Options_Flood_IsCutOff()
    {
        using var client = new RawClient(stage.Socket);
        client.Greet();
        for (var i = 0; i < NbdLimits.OptionsMax; i++) client.Ask(NbdOption.List, [1, 2, 3]);
        Assert.That(client.IsEnded(), Is.True);
        Assert.That(() => stage.Log.Warnings, Has.Some.Contains("options and opened nothing").After(2000, 5));
    }

    [Test]
    public void Client_SaysNothing_IsCutOffAfterTheDeadline()
    {
        using var client = new RawClient(stage.Socket);
        Assert.That(client.IsEnded(), Is.True);
    }

    [Test]
    public void Client_SendsAByteNowAndThen_IsCutOffAfterTheDeadline()
    {
        using var client = new RawClient(stage.Socket);
        var dripping = RawClient.Option(NbdOption.List, []).Prepend((byte)0).ToArray();
        client.Greet();
        var started = Environment.TickCount64;
        try
        {
            foreach (var drop in Enumerable.Repeat(dripping, 100).SelectMany(d => d[1..]))
            {
                client.Send(drop);
                Thread.Sleep(50);
            }
        }
        catch (System.Net.Sockets.SocketException)
        {
            // Cut off, as it should be.
        }

        Assert.That(Environment.TickCount64 - started, Is.LessThan(20_000));
    }

    [TestCase(0xffffffffu, 0)]
    [TestCase(5000u, 5000)]
    [TestCase(4u, 2)]
    public void Go_NameWithALyingLength_IsRefusedAndTheClientGoesOn(uint told, int sent)
    {
        using var client = new RawClient(stage.Socket);
        client.Greet();
        var (kind, _) = client.Ask(NbdOption.Go, [.. RawClient.Number(told), .. new byte[sent]]);
        Assert.That(kind, Is.EqualTo(NbdOptionReply.Invalid).Or.EqualTo(NbdOptionReply.TooBig));
        Assert.That(client.Ask(NbdOption.StructuredReply, []).Kind, Is.EqualTo(NbdOptionReply.Ack));
    }

    [Test]
    public void SetMetaContext_QueriesWithoutEnd_IsRefused()
    {
        using var client = new RawClient(stage.Socket);
        client.Greet();
        client.Ask(NbdOption.StructuredReply, []);
        Assert.That(client.Ask(NbdOption.SetMetaContext, [.. RawClient.Text("disk"), .. RawClient.Number(uint.MaxValue)]).Kind, Is.EqualTo(NbdOptionReply.Invalid));
    }

    [Test]
    public void SetMetaContext_BeforeStructuredReplies_IsRefused()
    {
        using var client = new RawClient(stage.Socket);
        client.Greet();
        Assert.That(client.Ask(NbdOption.SetMetaContext, [.. RawClient.Text("disk"), .. RawClient.Number(0)]).Kind, Is.EqualTo(NbdOptionReply.Invalid));
    }

    [TestCase(0x99u, NbdOptionReply.Unsupported)]
    [TestCase((uint)NbdOption.StartTls, NbdOptionReply.Policy)]
    [TestCase((uint)NbdOption.ExtendedHeaders, NbdOptionReply.Unsupported)]
    public void Option_NotKnownHere_IsRefusedAndTheClientGoesOn(uint option, object expected)
    {
        using var client = new RawClient(stage.Socket);
        client.Greet();
        Assert.That(client.Ask((NbdOption)option, []).Kind, Is.EqualTo(expected));
        Assert.That(client.Ask(NbdOption.List, []).Kind, Is.EqualTo(NbdOptionReply.Server));
    }

    [Test]
    public void ExportName_Unknown_IsCutOff()
    {
        using var client = new RawClient(stage.Socket);
        client.Greet();
        client.Send(RawClient.Option(NbdOption.ExportName, [.. "nothing"u8]));
        Assert.That(client.IsEnded(), Is.True);
    }

    [Test]
    public void Request_BeforeAnExportIsOpened_IsCutOff()
    {
        using var client = new RawClient(stage.Socket);
        client.Greet();
        client.Send(RawClient.Request(NbdCommand.Write, 1, 0, 512));
        Assert.That(client.IsEnded(), Is.True);
        Assert.That(() => stage.Log.Warnings, Has.Some.Contains("not with IHAVEOPT").After(2000, 5));
    }

    [Test]
    public void Option_AfterTheExportIsOpened_IsCutOff()
    {
        using var client = RawClient.Opened(stage.Socket);
        client.Send([.. RawClient.Option(NbdOption.Go, RawClient.GoData("disk")), .. new byte[NbdRequest.Size]]);
        Assert.That(client.IsEnded(), Is.True);
    }

    [Test]
    public void Requests_InAnyOrderWithOneCookie_AreEachAnswered()
    {
        using var client = RawClient.Opened(stage.Socket);
        // Cookies are the client's affair: one that gives them twice gets two answers.
        client.Send([.. RawClient.Request(NbdCommand.Flush, 5, 0, 0), .. RawClient.Request(NbdCommand.Read, 5, 512, 512), .. RawClient.Request(NbdCommand.Read, 5, 0, 512)]);
        var answers = Enumerable.Range(0, 3).Select(_ => client.ReadReply()).ToList();
        Assert.That(answers.Select(a => (a.Cookie, a.Error)), Is.All.EqualTo((5ul, NbdError.None)));
        Assert.That(answers.Sum(a => a.Data.Length), Is.EqualTo(2 * (8 + 512)));
    }

    [Test]
    public void Request_WithAnotherMagic_IsCutOffAndLogged()
    {
        using var client = RawClient.Opened(stage.Socket);
        client.Send(new byte[NbdRequest.Size]);
        Assert.That(client.IsEnded(), Is.True);
        Assert.That(() => stage.Log.Warnings, Has.Some.Contains("does not begin with the magic").After(2000, 5));
    }

    [TestCase((ushort)NbdCommand.Read, ulong.MaxValue, 512u, NbdError.Invalid)]
    [TestCase((ushort)NbdCommand.Read, ulong.MaxValue - 511, 512u, NbdError.Invalid)]
    [TestCase((ushort)NbdCommand.Read, (ulong)DiskBytes, 1u, NbdError.Invalid)]
    [TestCase((ushort)NbdCommand.Read, (ulong)DiskBytes - 1, 2u, NbdError.Invalid)]
    [TestCase((ushort)NbdCommand.Read, 0ul, uint.MaxValue, NbdError.Invalid)]
    [TestCase((ushort)NbdCommand.Trim, 1ul << 63, 512u, NbdError.Invalid)]
    [TestCase((ushort)NbdCommand.WriteZeroes, (ulong)DiskBytes - 1, uint.MaxValue, NbdError.NoSpace)]
    [TestCase((ushort)NbdCommand.Cache, (ulong)DiskBytes, 1u, NbdError.Invalid)]
    [TestCase((ushort)NbdCommand.Flush, 1ul, 0u, NbdError.Invalid)]
    [TestCase((ushort)NbdCommand.BlockStatus, 0ul, 512u, NbdError.Invalid)]
    [TestCase((ushort)8, 0ul, 0u, NbdError.Invalid)]
    [TestCase((ushort)0xffff, 0ul, 512u, NbdError.Invalid)]
    public void Request_OutsideWhatTheExportOffers_IsAnsweredWithAnError(ushort command, ulong offset, uint length, NbdError expected)
    {
        using var client = RawClient.Opened(stage.Socket);
        client.Send([.. RawClient.Request((NbdCommand)command, 5, offset, length), .. RawClient.Request(NbdCommand.Read, 6, 0, 512)]);
        var (bad, good) = (client.ReadReply(), client.ReadReply());
        Assert.Multiple(() =>
        {
            Assert.That((bad.Cookie, bad.Error), Is.EqualTo((5ul, expected)));
            Assert.That(good.Cookie, Is.EqualTo(6));
            Assert.That(good.Data[8..], Is.EqualTo(device.Bytes[..512]));
        });
    }

    [TestCase((ushort)NbdCommand.Read, (ushort)NbdCommandFlags.NoHole)]
    [TestCase((ushort)NbdCommand.Write, (ushort)NbdCommandFlags.FastZero)]
    [TestCase((ushort)NbdCommand.Trim, (ushort)NbdCommandFlags.RequestOne)]
    [TestCase((ushort)NbdCommand.Read, (ushort)0x8000)]
    public void Request_FlagsOutOfPlace_IsAnsweredWithAnError(ushort command, ushort flags)
    {
        using var client = RawClient.Opened(stage.Socket);
        var payload = (NbdCommand)command == NbdCommand.Write ? new byte[512] : [];
        client.Send([.. RawClient.Request((NbdCommand)command, 5, 0, 512, (NbdCommandFlags)flags), .. payload]);
        Assert.That(client.ReadReply().Error, Is.EqualTo(NbdError.Invalid));
    }

    [Test]
    public void Write_BeyondTheEnd_IsReadPastAndChangesNothing()
    {
        var before = (byte[])device.Bytes.Clone();
        using var client = RawClient.Opened(stage.Socket);
        client.Send([.. RawClient.Request(NbdCommand.Write, 5, DiskBytes - 512, 1024), .. new byte[1024], .. RawClient.Request(NbdCommand.Read, 6, 0, 512)]);
        Assert.That(client.ReadReply().Error, Is.EqualTo(NbdError.NoSpace));
        Assert.That(client.ReadReply().Data[8..], Is.EqualTo(before[..512]));
        Assert.That(device.Bytes, Is.EqualTo(before));
    }

    [Test]
    public void Write_OfFourGigabytes_IsCutOff()
    {
        using var client = RawClient.Opened(stage.Socket);
        client.Send(RawClient.Request(NbdCommand.Write, 5, 0, uint.MaxValue));
        Assert.That(client.IsEnded(), Is.True);
        Assert.That(() => stage.Log.Warnings, Has.Some.Contains("a write of 4294967295 bytes").After(2000, 5));
    }

    [Test]
    public void Reader_TakesNoAnswers_IsCutOffAndHoldsNoMemory()
    {
        using var slow = RawClient.Opened(stage.Socket);
        slow.Socket.SendTimeout = 1000;
        var before = GC.GetTotalMemory(forceFullCollection: true);
        long asked = 0;
        try
        {
            while (asked < 100_000)
            {
                slow.Send(RawClient.Request(NbdCommand.Read, (ulong)asked, 0, DiskBytes));
                asked++;
                Assert.That(GC.GetTotalMemory(forceFullCollection: false) - before, Is.LessThan(96 << 20), $"after {asked} requests");
            }
        }
        catch (System.Net.Sockets.SocketException)
        {
            // The socket is full of requests that nobody reads, or the server has had enough.
        }

        Assert.That(asked, Is.LessThan(100_000), "the server read requests without end");
        Assert.That(() => stage.Log.Warnings, Has.Some.Contains("takes no more of its answers").After(10_000, 20));
        Assert.That(() => stage.Server.ClientCount, Is.EqualTo(1).After(10_000, 20));
    }

    [Test]
    public void Clients_ThousandThatComeAndGo_LeaveNothingBehind()
    {
        for (var i = 0; i < 1000; i++)
        {
            using var client = new RawClient(stage.Socket);
            if (i % 2 == 0) client.Greet();
        }

        Assert.That(() => stage.Server.ClientCount, Is.EqualTo(1).After(10_000, 20));
    }
}
