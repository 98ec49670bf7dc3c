using System.Collections.Concurrent;
using VmRepl.Blocks;
using VmRepl.Nbd.Server;
using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Tests.Server;

/// <summary>A device that ends its writes after it has taken them.</summary>
[TestFixture]
public class DeferredWriteTests
{
    private const int DiskBytes = 1 << 20;
    private const int RequestsMax = 8;

    private DeferringDevice device = null!;
    private ServingStage stage = null!;
    private RawClient client = null!;

    [SetUp]
    public void Serve()
    {
        device = new DeferringDevice();
        stage = new ServingStage(device, new NbdServerOptions { RequestsMax = RequestsMax });
        client = RawClient.Opened(stage.Socket);
    }

    [TearDown]
    public void End()
    {
        client.Dispose();
        device.EndAll();
        stage.Dispose();
        device.Dispose();
    }

    [Test]
    public void Writes_ThatWait_AreAnsweredWhenTheyEnd_AndHoldUpNoRead()
    {
        for (var i = 0u; i < 3; i++) Write(i, 4096 * i);
        client.Send(RawClient.Request(NbdCommand.Read, 99, 1 << 16, 512));
        Assert.That(client.ReadReply().Cookie, Is.EqualTo(99));
        AwaitTaken(3);

        foreach (var cookie in (ulong[])[2, 0, 1])
        {
            device.Waiting[4096 * (long)cookie].SetResult();
            Assert.That(client.ReadReply(), Is.EqualTo(new RawReply(cookie, NbdError.None, NbdChunk.None, true, [])).Using<RawReply>((a, b) => (a.Cookie, a.Error) == (b.Cookie, b.Error)));
        }

        Assert.That(device.Below.Bytes.AsSpan(4096, 512).ToArray(), Is.All.EqualTo(1));
    }

    [Test]
    public void Write_ThatFailsLater_IsAnsweredWithItsError()
    {
        Write(5, 0);
        AwaitTaken(1);
        device.Waiting[0].SetException(new IOException("the replica said no"));
        var reply = client.ReadReply();
        Assert.That((reply.Cookie, reply.Error), Is.EqualTo((5UL, NbdError.Io)));
    }

    [Test]
    public void Writes_ThatWait_AreReleasedBeforeTheServerWaitsForMore()
    {
        Write(1, 0);
        Assert.That(() => device.Releases, Is.GreaterThan(0).After(5000, 5));
    }

    [Test]
    public void Write_BeforeWhatIsNoRequest_IsReleased()
    {
        client.Send([.. RawClient.Request(NbdCommand.Write, 1, 0, 512), .. new byte[512], .. new byte[NbdRequest.Size]]);
        Assert.That(() => device.Releases, Is.GreaterThan(0).After(5000, 5));
        device.Waiting[0].SetResult();
        stage.AwaitNoClients();
    }

    /// <summary>Those beyond wait in the server, on threads of it, and none is lost.</summary>
    [Test]
    public void Writes_MoreThanMayWait_AreAllAnswered()
    {
        const int count = 5 * RequestsMax;
        device.EndsEach = TimeSpan.FromMilliseconds(2);
        for (var i = 0u; i < count; i++) Write(i, 4096 * i);
        var cookies = Enumerable.Range(0, count).Select(_ => client.ReadReply().Cookie).Order();
        Assert.That(cookies, Is.EqualTo(Enumerable.Range(0, count).Select(i => (ulong)i)));
        Assert.That(device.WaitingMost, Is.LessThanOrEqualTo(RequestsMax));
    }

    /// <summary>Such writes are handed out to threads, which hold them only until the device has taken them.</summary>
    [Test]
    public void Writes_ThatTheDeviceIsSlowToTake_WaitOnNoThread()
    {
        const int count = 200;
        device.TakesEach = TimeSpan.FromMilliseconds(1);
        device.EndsEach = TimeSpan.FromMilliseconds(1);
        for (var i = 0u; i < count; i++)
        {
            Write(i, 4096 * (i % 64));
            if (i >= 2) client.ReadReply();
        }

        for (var i = 0; i < 2; i++) client.ReadReply();
        Assert.That(device.Blocking, Is.Zero);
    }

    [Test]
    public void Client_ThatGoesWhileAWriteWaits_IsWaitedFor()
    {
        Write(1, 0);
        AwaitTaken(1);
        client.Dispose();
        Assert.That(() => stage.Server.ClientCount, Is.EqualTo(1).After(100), "the device is in use until the write has ended");
        device.Waiting[0].SetResult();
        stage.AwaitNoClients();
    }

    private void Write(ulong cookie, uint offset) => client.Send([.. RawClient.Request(NbdCommand.Write, cookie, offset, 512), .. Enumerable.Repeat((byte)cookie, 512)]);

    private void AwaitTaken(int count) => Assert.That(() => device.Waiting.Count, Is.EqualTo(count).After(5000, 5));

    private sealed class DeferringDevice : IBlockDevice, IDeferredWrite
    {
        private int blocking;
        private int waiting;
        private int releases;

        public MemoryDevice Below { get; } = new(DiskBytes);

        /// <summary>By offset.</summary>
        public ConcurrentDictionary<long, TaskCompletionSource> Waiting { get; } = [];

        /// <summary>After which each ends by itself.</summary>
        public TimeSpan? EndsEach { get; set; }

        /// <summary>How long it works until it has taken one.</summary>
        public TimeSpan TakesEach { get; set; }

        /// <summary>Writes that held their thread to the end.</summary>
        public int Blocking => Volatile.Read(ref blocking);

        public int WaitingMost { get; private set; }

        public int Releases => Volatile.Read(ref releases);

        public long Length => Below.Length;

        public int SectorSize => 512;

        public bool IsReadOnly => false;

        public void Read(long offset, Span<byte> buffer) => Below.Read(offset, buffer);

        /// <summary>What the server asks for after a stall, on a thread of its own: it ends no earlier.</summary>
        public void Write(long offset, ReadOnlySpan<byte> data)
        {
            Interlocked.Increment(ref blocking);
            Below.Write(offset, data);
            (EndsEach is { } after ? Task.Delay(after) : Taken(offset)).GetAwaiter().GetResult();
        }

        public ValueTask WriteAsync(long offset, ReadOnlySpan<byte> data)
        {
            if (TakesEach > TimeSpan.Zero) Thread.Sleep(TakesEach);
            Below.Write(offset, data);
            WaitingMost = Math.Max(WaitingMost, Interlocked.Increment(ref waiting));
            return new ValueTask(EndsEach is { } after ? EndAsync(after) : Taken(offset));
        }

        public void Release() => Interlocked.Increment(ref releases);

        public void Zero(long offset, long length) => Below.Zero(offset, length);

        public void Punch(long offset, long length) => Below.Punch(offset, length);

        public void Flush() => Below.Flush();

        public IEnumerable<MapExtent> Map(long offset, long length) => Below.Map(offset, length);

        public void EndAll()
        {
            foreach (var end in Waiting.Values) end.TrySetResult();
        }

        public void Dispose()
        {
        }

        private Task Taken(long offset) => (Waiting[offset] = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

        private async Task EndAsync(TimeSpan after)
        {
            await Task.Delay(after);
            Interlocked.Decrement(ref waiting);
        }
    }
}
