using System.Buffers.Binary;
using VmRepl.Nbd.Server;
using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Tests.Server;

[TestFixture]
public class RequestTests
{
    private const int DiskBytes = 8 << 20;

    private MemoryDevice device = null!;
    private ServingStage stage = null!;

    [SetUp]
    public void Serve()
    {
        device = new MemoryDevice(DiskBytes);
        stage = new ServingStage(device);
    }

    [TearDown]
    public void Stop()
    {
        stage.Dispose();
        device.Dispose();
    }

    [TestCase(true)]
    [TestCase(false)]
    public void Requests_OfEverySize_ReadAndWriteWhatIsThere(bool structured)
    {
        var expected = new byte[DiskBytes];
        var random = new Random(11);
        using var client = RawClient.Opened(stage.Socket, structured);
        ulong cookie = 0;
        foreach (var length in new[] { 1, 511, 512, 4096, 65_536, 65_537, 300_000, 1 << 20, (1 << 20) + 1, 5_000_001 })
        {
            var offset = random.Next(DiskBytes - length);
            var data = new byte[length];
            random.NextBytes(data);
            data.CopyTo(expected, offset);
            client.Send([.. RawClient.Request(NbdCommand.Write, ++cookie, (ulong)offset, (uint)length, length % 2 == 0 ? NbdCommandFlags.Fua : NbdCommandFlags.None), .. data]);
            Assert.That(client.ReadReply().Error, Is.EqualTo(NbdError.None));
            Assert.That(Read(client, ++cookie, offset, length, structured), Is.EqualTo(data), $"{length} bytes at {offset}");
        }

        Assert.That(device.Bytes, Is.EqualTo(expected));
        Assert.That(device.Flushes, Is.GreaterThan(0));
    }

    [Test]
    public void Requests_ManyAtOnce_AreAllAnswered()
    {
        new Random(3).NextBytes(device.Bytes);
        using var client = RawClient.Opened(stage.Socket);
        var random = new Random(5);
        var asked = Enumerable.Range(0, 2000).Select(i => (Cookie: (ulong)i, Offset: random.Next(DiskBytes - 4096))).ToList();
        var sending = Task.Run(() =>
        {
            foreach (var (cookie, offset) in asked) client.Send(RawClient.Request(NbdCommand.Read, cookie, (ulong)offset, 4096));
        });
        var answered = new HashSet<ulong>();
        for (var i = 0; i < asked.Count; i++)
        {
            var reply = client.ReadReply();
            Assert.That(answered.Add(reply.Cookie), Is.True, "answered twice");
            var offset = asked[(int)reply.Cookie].Offset;
            Assert.That(reply.Data[8..].AsSpan().SequenceEqual(device.Bytes.AsSpan(offset, 4096)), Is.True);
        }

        Assert.That(sending.Wait(5000), Is.True);
    }

    [Test]
    public void Read_OfASlowPlace_HoldsUpNoOther()
    {
        using var release = new ManualResetEventSlim();
        device.Before = (what, offset, _) =>
        {
            if (what == "read" && offset == 0) release.Wait();
        };
        using var client = RawClient.Opened(stage.Socket);
        // So many quick ones that requests are carried out where they are received.
        for (ulong i = 0; i < 200; i++) Read(client, i, 4096, 512, structured: true);
        client.Send([.. RawClient.Request(NbdCommand.Read, 1000, 8192, 512), .. RawClient.Request(NbdCommand.Read, 1001, 0, 512), .. RawClient.Request(NbdCommand.Read, 1002, 4096, 512)]);
        Assert.That(client.ReadReply().Cookie, Is.EqualTo(1000));
        Assert.That(client.ReadReply().Cookie, Is.EqualTo(1002), "it waited for the slow one");
        release.Set();
        Assert.That(client.ReadReply().Cookie, Is.EqualTo(1001));
        Assert.That(Read(client, 1003, 4096, 512, structured: true), Has.Length.EqualTo(512));
    }

    [Test]
    public void Requests_OnADeviceThatIsSlow_AreCarriedOutAtATime()
    {
        var (now, most) = (0, 0);
        var gate = new Lock();
        device.Before = (_, _, _) =>
        {
            lock (gate) most = Math.Max(most, ++now);
            Thread.Sleep(20);
            lock (gate) now--;
        };
        using var client = RawClient.Opened(stage.Socket);
        for (ulong i = 0; i < 64; i++) client.Send(RawClient.Request(NbdCommand.Read, i, i * 4096, 4096));
        for (var i = 0; i < 64; i++) client.ReadReply();
        Assert.That(most, Is.InRange(8, new NbdServerOptions().RequestsMax));
    }

    [Test]
    public void Read_DeviceFails_IsToldWithTheReason()
    {
        device.Before = (what, offset, _) =>
        {
            if (what == "read" && offset == 4096) throw new IOException("the medium is gone");
        };
        using var client = RawClient.Opened(stage.Socket);
        client.Send([.. RawClient.Request(NbdCommand.Read, 1, 4096, 512), .. RawClient.Request(NbdCommand.Read, 2, 0, 512)]);
        var failed = client.ReadReply();
        Assert.Multiple(() =>
        {
            Assert.That((failed.Cookie, failed.Error, failed.Kind, failed.IsLast), Is.EqualTo((1ul, NbdError.Io, NbdChunk.Error, true)));
            Assert.That(System.Text.Encoding.UTF8.GetString(failed.Data[6..]), Is.EqualTo("the medium is gone"));
            Assert.That(client.ReadReply().Error, Is.EqualTo(NbdError.None));
            Assert.That(stage.Log.Warnings, Has.Some.Contains("Read of 512 bytes at 4096 failed: the medium is gone"));
        });
    }

    [Test]
    public void Read_LargeAndTheDeviceFailsInTheMiddle_EndsInOneError()
    {
        device.Before = (what, offset, _) =>
        {
            if (what == "read" && offset == 2 << 20) throw new IOException("the medium is gone");
        };
        using var client = RawClient.Opened(stage.Socket);
        client.Send(RawClient.Request(NbdCommand.Read, 1, 0, 4 << 20));
        Assert.That(client.ReadReply(), Has.Property(nameof(RawReply.IsLast)).False);
        Assert.That(client.ReadReply(), Has.Property(nameof(RawReply.IsLast)).False);
        Assert.That(client.ReadReply(), Has.Property(nameof(RawReply.IsLast)).True.And.Property(nameof(RawReply.Error)).EqualTo(NbdError.Io));
    }

    [Test]
    public void Read_DontFragment_ComesInOnePiece()
    {
        new Random(3).NextBytes(device.Bytes);
        using var client = RawClient.Opened(stage.Socket);
        client.Send(RawClient.Request(NbdCommand.Read, 1, 0, 4 << 20, NbdCommandFlags.DontFragment));
        var reply = client.ReadReply();
        Assert.That(reply.IsLast, Is.True);
        Assert.That(reply.Data.AsSpan(8).SequenceEqual(device.Bytes.AsSpan(0, 4 << 20)), Is.True);
    }

    [Test]
    public void WriteZeroes_AsAsked_IsAHoleOrNot()
    {
        var calls = new List<string>();
        device.Before = (what, offset, length) => calls.Add($"{what} {offset} {length}");
        using var client = RawClient.Opened(stage.Socket);
        client.Send(
        [
            .. RawClient.Request(NbdCommand.WriteZeroes, 1, 0, 8192), .. RawClient.Request(NbdCommand.WriteZeroes, 2, 8192, 8192, NbdCommandFlags.NoHole), .. RawClient.Request(NbdCommand.Trim, 3, 16384, 8192, NbdCommandFlags.Fua),
        ]);
        for (var i = 0; i < 3; i++) Assert.That(client.ReadReply().Error, Is.EqualTo(NbdError.None));
        Assert.That(calls, Is.EquivalentTo(new[] { "punch 0 8192", "zero 8192 8192", "punch 16384 8192", "flush 0 0" }));
    }

    [Test]
    public void WriteZeroes_FastWhereTheDeviceIsNot_FailsAtOnce()
    {
        using var client = RawClient.Opened(stage.Socket);
        client.Send(RawClient.Request(NbdCommand.WriteZeroes, 1, 0, 8192, NbdCommandFlags.FastZero));
        Assert.That(client.ReadReply().Error, Is.EqualTo(NbdError.NotSupported));
    }

    [Test]
    public void Write_ReadOnlyDevice_IsNotPermitted()
    {
        using var readOnly = new ServingStage(new MemoryDevice(DiskBytes, isReadOnly: true));
        using var client = RawClient.Opened(readOnly.Socket);
        client.Send([.. RawClient.Request(NbdCommand.Write, 1, 0, 512), .. new byte[512], .. RawClient.Request(NbdCommand.Trim, 2, 0, 512), .. RawClient.Request(NbdCommand.WriteZeroes, 3, 0, 512)]);
        for (var i = 0; i < 3; i++) Assert.That(client.ReadReply().Error, Is.EqualTo(NbdError.NotPermitted));
    }

    [Test]
    public void BlockStatus_OfAContext_TellsTheMap()
    {
        device.Write(8192, new byte[4096]);
        device.Zero(16384, 4096);
        using var client = new RawClient(stage.Socket);
        client.Greet();
        client.Ask(NbdOption.StructuredReply, []);
        var (kind, data) = client.Ask(NbdOption.SetMetaContext, [.. RawClient.Text("disk"), .. RawClient.Number(2), .. RawClient.Text("base:allocation"), .. RawClient.Text("no:such")]);
        Assert.That((kind, BinaryPrimitives.ReadUInt32BigEndian(data)), Is.EqualTo((NbdOptionReply.MetaContext, 1u)));
        Assert.That(client.ReadOptionReply().Kind, Is.EqualTo(NbdOptionReply.Ack));
        client.Send(RawClient.Option(NbdOption.Go, RawClient.GoData("disk")));
        while (client.ReadOptionReply().Kind != NbdOptionReply.Ack)
        {
        }

        client.Send(RawClient.Request(NbdCommand.BlockStatus, 1, 4096, 20480));
        Assert.That(Extents(client.ReadReply()), Is.EqualTo(new[] { (4096u, 3u), (4096u, 0u), (4096u, 3u), (4096u, 2u), (4096u, 3u) }));
        client.Send(RawClient.Request(NbdCommand.BlockStatus, 2, 4096, 20480, NbdCommandFlags.RequestOne));
        Assert.That(Extents(client.ReadReply()), Is.EqualTo(new[] { (4096u, 3u) }));
    }

    [Test]
    public void Disconnect_WithRequestsUnderWay_AnswersThemFirst()
    {
        device.Before = (_, _, _) => Thread.Sleep(5);
        using var client = RawClient.Opened(stage.Socket);
        for (ulong i = 0; i < 16; i++) client.Send(RawClient.Request(NbdCommand.Read, i, 0, 512));
        client.Send(RawClient.Request(NbdCommand.Disconnect, 99, 0, 0));
        for (var i = 0; i < 16; i++) Assert.That(client.ReadReply().Error, Is.EqualTo(NbdError.None));
        Assert.That(client.IsEnded(), Is.True);
        stage.AwaitNoClients();
    }

    [Test]
    public void Server_Stopped_EndsItsClients()
    {
        using var client = RawClient.Opened(stage.Socket);
        stage.Stop();
        Assert.That(client.IsEnded(), Is.True);
    }

    private static byte[] Read(RawClient client, ulong cookie, long offset, int length, bool structured)
    {
        client.Send(RawClient.Request(NbdCommand.Read, cookie, (ulong)offset, (uint)length));
        if (!structured) return client.ReadReply(length).Data;
        var contents = new byte[length];
        for (var isLast = false; !isLast;)
        {
            var chunk = client.ReadReply();
            Assert.That((chunk.Cookie, chunk.Error), Is.EqualTo((cookie, NbdError.None)));
            chunk.Data.AsSpan(8).CopyTo(contents.AsSpan((int)(BinaryPrimitives.ReadInt64BigEndian(chunk.Data) - offset)));
            isLast = chunk.IsLast;
        }

        return contents;
    }

    private static (uint Length, uint Flags)[] Extents(RawReply reply)
    {
        Assert.That(reply.Kind, Is.EqualTo(NbdChunk.BlockStatus));
        return [.. reply.Data[4..].Chunk(8).Select(e => (BinaryPrimitives.ReadUInt32BigEndian(e), BinaryPrimitives.ReadUInt32BigEndian(e.AsSpan(4))))];
    }
}
