using System.Collections.Concurrent;
using System.Diagnostics;
using VmRepl.Nbd.Client;
using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Tests.Client;

/// <summary>Servers that open an export properly and then lie, go away or fall silent.</summary>
[TestFixture]
public class HostileReplyTests
{
    private const int Base = 4096, Count = 1000;

    private static IEnumerable<TestCaseData> Lies()
    {
        static TestCaseData Read(string name, string told, Action<ScriptedPeer, ulong> script) => new TestCaseData(false, script, told).SetArgDisplayNames(name);
        static TestCaseData Status(string name, string told, Action<ScriptedPeer, ulong> script) => new TestCaseData(true, script, told).SetArgDisplayNames(name);
        static byte[] Data(int offset, int count) => [.. ScriptedPeer.Number((ulong)offset), .. new byte[count]];
        static byte[] Hole(int offset, uint count) => [.. ScriptedPeer.Number((ulong)offset), .. ScriptedPeer.Number(count)];
        static Action<ScriptedPeer, ulong> Extents(params (uint Length, uint Flags)[] extents) => (peer, cookie) => peer.Chunk(cookie, NbdChunk.BlockStatus, true, ScriptedPeer.Extents(7, extents));

        yield return Read("another magic", "begins with 0x00000000", (peer, _) => peer.Send(new byte[20]));
        yield return Read("a simple reply with contents", "a simple reply to Read", (peer, cookie) => peer.Simple(cookie, NbdError.None, new byte[Count]));
        yield return Read("an unknown cookie", "which no open request has", (peer, cookie) => peer.Chunk(cookie ^ (1UL << 63), NbdChunk.None, true));
        yield return Read("a cookie of an unknown place", "which no open request has", (peer, cookie) => peer.Chunk(cookie | 0xffff_ffff, NbdChunk.None, true));
        yield return Read("nothing at all", "with 1000 bytes missing", (peer, cookie) => peer.Chunk(cookie, NbdChunk.None, true));
        yield return Read("one byte missing", "with 1 bytes missing", (peer, cookie) => peer.Chunk(cookie, NbdChunk.OffsetData, true, Data(Base, Count - 1)));
        yield return Read("a gap", "with 100 bytes missing", (peer, cookie) =>
        {
            peer.Chunk(cookie, NbdChunk.OffsetData, false, Data(Base + 500, 500));
            peer.Chunk(cookie, NbdChunk.OffsetHole, true, Hole(Base, 400));
        });
        yield return Read("an overlap of contents", "overlaps what came before", (peer, cookie) =>
        {
            peer.Chunk(cookie, NbdChunk.OffsetData, false, Data(Base, 500));
            peer.Chunk(cookie, NbdChunk.OffsetData, true, Data(Base + 499, 501));
        });
        yield return Read("one half twice and the other not", "overlaps what came before", (peer, cookie) =>
        {
            peer.Chunk(cookie, NbdChunk.OffsetData, false, Data(Base, 500));
            peer.Chunk(cookie, NbdChunk.OffsetData, true, Data(Base, 500));
        });
        yield return Read("an overlap with a hole", "overlaps what came before", (peer, cookie) =>
        {
            peer.Chunk(cookie, NbdChunk.OffsetHole, false, Hole(Base + 300, 300));
            peer.Chunk(cookie, NbdChunk.OffsetData, true, Data(Base, 301));
        });
        yield return Read("contents before the range", "lies outside", (peer, cookie) => peer.Chunk(cookie, NbdChunk.OffsetData, true, Data(Base - 1, Count)));
        yield return Read("contents behind the range", "lies outside", (peer, cookie) => peer.Chunk(cookie, NbdChunk.OffsetData, true, Data(Base + 1, Count)));
        yield return Read("an offset of 2^64-1", "lies outside", (peer, cookie) => peer.Chunk(cookie, NbdChunk.OffsetData, true, [.. ScriptedPeer.Number(ulong.MaxValue), .. new byte[Count]]));
        yield return Read("a hole of 4 GiB", "lies outside", (peer, cookie) => peer.Chunk(cookie, NbdChunk.OffsetHole, true, Hole(Base, uint.MaxValue)));
        yield return Read("a hole of nothing", "lies outside", (peer, cookie) => peer.Chunk(cookie, NbdChunk.OffsetHole, true, Hole(Base, 0)));
        yield return Read("a hole in 13 bytes", "a hole in 13 bytes", (peer, cookie) => peer.Chunk(cookie, NbdChunk.OffsetHole, true, new byte[13]));
        yield return Read("contents of 4 GiB", "a chunk of 4294967295 bytes", (peer, cookie) => peer.Head(cookie, NbdChunk.OffsetData, true, uint.MaxValue));
        yield return Read("contents of nothing", "a chunk of 8 bytes", (peer, cookie) => peer.Chunk(cookie, NbdChunk.OffsetData, true, Data(Base, 0)));
        yield return Read("an end with a payload", "it has none", (peer, cookie) => peer.Chunk(cookie, NbdChunk.None, true, 1));
        yield return Read("an end that is none", "that is not its last", (peer, cookie) => peer.Chunk(cookie, NbdChunk.None, false));
        yield return Read("an unknown kind", "unknown kind 77", (peer, cookie) => peer.Chunk(cookie, (NbdChunk)77, true));
        yield return Read("a status", "a status of blocks", (peer, cookie) => peer.Chunk(cookie, NbdChunk.BlockStatus, true, ScriptedPeer.Extents(7, (Count, 0))));
        yield return Read("an error of 0", "with the error 0", (peer, cookie) => peer.Chunk(cookie, NbdChunk.Error, true, ScriptedPeer.Error(NbdError.None, "fine")));
        yield return Read("an error without a body", "an error of 0 bytes", (peer, cookie) => peer.Chunk(cookie, NbdChunk.Error, true));
        yield return Read("an error of 4 GiB", "an error of 4294967295 bytes", (peer, cookie) => peer.Head(cookie, NbdChunk.Error, true, uint.MaxValue));
        yield return Read("a sentence longer than its error", "with a sentence of 60000", (peer, cookie) => peer.Chunk(cookie, NbdChunk.Error, true, [.. ScriptedPeer.Number(5u), .. ScriptedPeer.Short(60_000), 65]));
        yield return Read("an error elsewhere", "an error at 0", (peer, cookie) => peer.Chunk(cookie, NbdChunk.ErrorOffset, true, [.. ScriptedPeer.Error(NbdError.Io, "x"), .. ScriptedPeer.Number(0UL)]));
        yield return Read("an answer twice", "which no open request has", (peer, cookie) =>
        {
            peer.Chunk(cookie, NbdChunk.OffsetHole, true, Hole(Base, Count));
            peer.Chunk(cookie, NbdChunk.OffsetHole, true, Hole(Base, Count));
        });
        yield return Read("the end of the connection", "it ended the connection", (_, _) => { });

        yield return Status("contents", "contents in an answer to BlockStatus", (peer, cookie) => peer.Chunk(cookie, NbdChunk.OffsetData, true, Data(Base, 100)));
        yield return Status("a hole", "a hole in an answer to BlockStatus", (peer, cookie) => peer.Chunk(cookie, NbdChunk.OffsetHole, true, Hole(Base, 100)));
        yield return Status("no context", "without the context", (peer, cookie) => peer.Chunk(cookie, NbdChunk.None, true));
        yield return Status("another context", "context 8, which was not agreed", (peer, cookie) => peer.Chunk(cookie, NbdChunk.BlockStatus, true, ScriptedPeer.Extents(8, (Count, 0))));
        yield return Status("a context twice", "came twice", (peer, cookie) =>
        {
            peer.Chunk(cookie, NbdChunk.BlockStatus, false, ScriptedPeer.Extents(7, (Count, 0)));
            peer.Chunk(cookie, NbdChunk.BlockStatus, true, ScriptedPeer.Extents(7, (Count, 0)));
        });
        yield return Status("an extent of nothing", "an extent of no bytes", Extents((100, 0), (0, 0)));
        yield return Status("no extents", "a status in 4 bytes", Extents());
        yield return Status("half an extent", "a status in 10 bytes", (peer, cookie) => peer.Chunk(cookie, NbdChunk.BlockStatus, true, [.. ScriptedPeer.Number(7u), .. new byte[6]]));
        yield return Status("extents behind the range", "behind the range", Extents((Count, 0), (1, 0)));
        yield return Status("an extent behind the export", "ends behind the export", Extents((uint.MaxValue, 0)));
        yield return Status("endless extents", "extents in one answer", (peer, cookie) => peer.Head(cookie, NbdChunk.BlockStatus, true, 4 + (8u * 100_000_000)));
        yield return Status("a simple reply", "a simple reply to BlockStatus", (peer, cookie) => peer.Simple(cookie));
    }

    [TestCaseSource(nameof(Lies))]
    public void Reply_ThatCannotBe_EndsTheConnectionForEveryCaller(bool isStatus, object script, string told)
    {
        using var lied = new ManualResetEventSlim();
        using var server = new ScriptedServer(peer =>
        {
            peer.Open();
            var requests = new[] { peer.ReadRequest(), peer.ReadRequest(), peer.ReadRequest() };
            ((Action<ScriptedPeer, ulong>)script)(peer, requests.Single(request => request.Length == Count).Cookie);
            if (told == "it ended the connection") return;
            peer.Receive(1);
        });
        using var client = server.Connect();
        var faults = new ConcurrentBag<Exception?>();
        void Try(Action call)
        {
            try
            {
                call();
                faults.Add(null);
            }
            catch (Exception e)
            {
                faults.Add(e);
            }
        }

        var (first, second) = (new Thread(() => Try(() => client.Read(0, new byte[512]))), new Thread(() => Try(client.Flush)));
        first.Start();
        second.Start();
        Try(() =>
        {
            if (isStatus) _ = client.Status(NbdContextNames.Allocation, Base, Count).ToList();
            else client.Read(Base, new byte[Count]);
        });
        first.Join();
        second.Join();
        Assert.Multiple(() =>
        {
            var whole = faults.OfType<NbdException>().ToList();
            // A request whose own answer was whole may have been served before the lie.
            Assert.That(whole, Has.Count.GreaterThanOrEqualTo(2));
            Assert.That(faults.OfType<Exception>(), Is.All.TypeOf<NbdException>());
            Assert.That(whole.Select(fault => fault.Message), Is.All.Contains(told));
            Assert.That(() => client.Flush(), Throws.TypeOf<NbdException>().With.Message.EqualTo(whole[0].Message));
        });
    }

    [Test]
    public void Read_InThousandsOfSeparatePieces_EndsTheConnection()
    {
        using var server = new ScriptedServer(peer =>
        {
            peer.Open();
            var request = peer.ReadRequest();
            for (var place = (int)request.Length - 2; place >= 0; place -= 2) peer.Chunk(request.Cookie, NbdChunk.OffsetHole, false, [.. ScriptedPeer.Number((ulong)place), .. ScriptedPeer.Number(1u)]);
        });
        using var client = server.Connect();
        Assert.That(() => client.Read(0, new byte[64 << 10]), Throws.TypeOf<NbdException>().With.Message.Contains("separate pieces"));
    }

    [Test]
    public void Status_InExtentsBelowTheLeastRequest_EndsTheConnection()
    {
        using var server = new ScriptedServer(peer =>
        {
            peer.Open(sizes: ScriptedPeer.BlockFact(4096, 4096, 1 << 20));
            while (true) peer.Chunk(peer.ReadRequest().Cookie, NbdChunk.BlockStatus, true, ScriptedPeer.Extents(7, (100, 0)));
        });
        using var client = server.Connect();
        Assert.That(() => client.Map(512, 512).ToList(), Throws.TypeOf<NbdException>().With.Message.Contains("no multiple of the least request"));
    }

    [Test]
    public void Replies_CutAtEveryByte_NeverEndInAnAnswer()
    {
        var before = 0;
        using var server = new ScriptedServer(peer =>
        {
            peer.Open();
            before = peer.Sent;
            var request = peer.ReadRequest();
            peer.Chunk(request.Cookie, NbdChunk.OffsetHole, false, [.. ScriptedPeer.Number(40UL), .. ScriptedPeer.Number(60u)]);
            peer.Chunk(request.Cookie, NbdChunk.OffsetData, false, [.. ScriptedPeer.Number(0UL), .. Enumerable.Repeat((byte)9, 40)]);
            peer.Chunk(request.Cookie, NbdChunk.None, true);
            request = peer.ReadRequest();
            peer.Chunk(request.Cookie, NbdChunk.BlockStatus, false, ScriptedPeer.Extents(7, (50, 0), (50, 3)));
            peer.Chunk(request.Cookie, NbdChunk.None, true);
            request = peer.ReadRequest();
            peer.Chunk(request.Cookie, NbdChunk.Error, true, ScriptedPeer.Error(NbdError.Io, "a sentence"));
            request = peer.ReadRequest();
            peer.Simple(request.Cookie);
            peer.ReadRequest();
        });
        void Ask()
        {
            using var client = server.Connect();
            var read = new byte[100];
            client.Read(0, read);
            Assert.That(read, Is.EqualTo(Enumerable.Repeat((byte)9, 40).Concat(new byte[60])));
            Assert.That(client.Status(NbdContextNames.Allocation, 0, 100), Is.EqualTo(new[] { new NbdExtent(50, 0), new NbdExtent(50, 3) }));
            Assert.That(() => client.Read(0, read), Throws.TypeOf<NbdRequestException>().With.Message.Contains("Io: a sentence").Or.TypeOf<NbdException>());
            client.Flush();
        }

        Ask();
        var (start, total) = (before, server.Sent);
        Assert.That(total - start, Is.GreaterThan(200));
        for (var cut = start; cut < total; cut++)
        {
            server.BytesMax = cut;
            Assert.That(Ask, Throws.TypeOf<NbdException>(), $"cut after {cut} of {total} bytes");
        }
    }

    [TestCase(false)]
    [TestCase(true)]
    public void Server_ThatFallsSilent_EndsAtTheDeadline(bool isDripping)
    {
        using var server = new ScriptedServer(peer =>
        {
            peer.Open();
            var request = peer.ReadRequest();
            if (!isDripping) Thread.Sleep(10_000);
            peer.Head(request.Cookie, NbdChunk.OffsetData, true, 8 + request.Length, ScriptedPeer.Number(0UL));
            while (true)
            {
                peer.Send(1);
                Thread.Sleep(20);
            }
        });
        using var client = server.Connect(ScriptedServer.Options(requestMaxMs: 300));
        var watch = Stopwatch.StartNew();
        Assert.That(() => client.Read(0, new byte[100_000]), Throws.TypeOf<NbdException>().With.Message.Contains("no answer to Read of 100000 bytes at 0 within 0.3 s"));
        Assert.That(watch.Elapsed, Is.LessThan(TimeSpan.FromSeconds(5)));
        Assert.That(() => client.Read(0, new byte[1]), Throws.TypeOf<NbdException>());
    }

    [Test]
    public void Server_ThatTakesNoContents_EndsAtTheDeadline()
    {
        using var server = new ScriptedServer(peer =>
        {
            peer.Open(export: ScriptedPeer.ExportFact(64 << 20));
            Thread.Sleep(10_000);
        });
        using var client = server.Connect(ScriptedServer.Options(requestMaxMs: 300));
        var watch = Stopwatch.StartNew();
        var others = Enumerable.Range(0, 3).Select(_ => Task.Factory.StartNew(() => Assert.That(() => client.Write(0, new byte[16 << 20]), Throws.TypeOf<NbdException>()), TaskCreationOptions.LongRunning)).ToArray();
        Assert.That(Task.WaitAll(others, TimeSpan.FromSeconds(5)), Is.True);
        Assert.That(watch.Elapsed, Is.LessThan(TimeSpan.FromSeconds(5)));
    }
}
