using System.Collections.Concurrent;
using VmRepl.Blocks;
using VmRepl.Nbd.Client;
using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Tests.Client;

/// <summary>What the client asks of a server, and what it makes of proper answers.</summary>
[TestFixture]
public class RequestTests
{
    [Test]
    public void Reads_AnsweredInReverse_GoToTheirCallers()
    {
        const int Readers = 16;
        using var server = new ScriptedServer(peer =>
        {
            peer.Open();
            for (var round = 0; round < 20; round++)
            {
                var requests = Enumerable.Range(0, Readers).Select(_ => peer.ReadRequest()).Reverse().ToList();
                // Heads of all, then their ends: the pieces of several answers are mixed.
                foreach (var request in requests) peer.Chunk(request.Cookie, NbdChunk.OffsetData, false, [.. ScriptedPeer.Number(request.Offset), .. Enumerable.Repeat((byte)request.Offset, (int)request.Length)]);
                foreach (var request in requests) peer.Chunk(request.Cookie, NbdChunk.None, true);
            }

            peer.ReadRequest();
        });
        using var client = server.Connect();
        var faults = new ConcurrentBag<Exception>();
        var threads = Enumerable.Range(0, Readers).Select(reader => new Thread(() =>
        {
            try
            {
                var read = new byte[600 + reader];
                for (var round = 0; round < 20; round++)
                {
                    client.Read(reader, read);
                    Assert.That(read.AsSpan().IndexOfAnyExcept((byte)reader), Is.LessThan(0));
                }
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

    [Test]
    public void Error_OfOneRequest_IsToldAndTheConnectionGoesOn()
    {
        using var server = new ScriptedServer(peer =>
        {
            peer.Open();
            var request = peer.ReadRequest();
            peer.Chunk(request.Cookie, NbdChunk.OffsetData, false, [.. ScriptedPeer.Number(request.Offset), .. new byte[100]]);
            peer.Chunk(request.Cookie, NbdChunk.ErrorOffset, false, [.. ScriptedPeer.Error(NbdError.Io, "the disk\nis ill"), .. ScriptedPeer.Number(request.Offset + 100)]);
            peer.Chunk(request.Cookie, NbdChunk.Error, true, ScriptedPeer.Error(NbdError.NoMemory, "a second one"));
            request = peer.ReadRequest();
            peer.Simple(request.Cookie, NbdError.NoSpace);
            request = peer.ReadRequest();
            peer.Chunk(request.Cookie, (NbdChunk)0x9000, true, [.. ScriptedPeer.Error((NbdError)4711, "new"), 1, 2, 3]);
            peer.Serve(new byte[ScriptedPeer.DiskBytes], []);
        });
        using var client = server.Connect();
        var first = Assert.Throws<NbdRequestException>(() => client.Read(1024, new byte[512]))!;
        var second = Assert.Throws<NbdRequestException>(() => client.Write(2048, new byte[512]))!;
        var third = Assert.Throws<NbdRequestException>(client.Flush)!;
        Assert.Multiple(() =>
        {
            Assert.That((first.Error, first.Offset, first.Length, first.Sentence), Is.EqualTo((NbdError.Io, 1024L, 512L, "the disk?is ill")));
            Assert.That((second.Error, second.Offset, second.Length, second.Sentence), Is.EqualTo((NbdError.NoSpace, 2048L, 512L, "")));
            Assert.That(second.Message, Does.EndWith("Write of 512 bytes at 2048 failed with NoSpace"));
            Assert.That(((int)third.Error, third.Sentence), Is.EqualTo((4711, "new")));
            Assert.That(() => client.Read(0, new byte[512]), Throws.Nothing);
        });
    }

    [Test]
    public void Requests_AboveTheLimit_WaitForTheirTurn()
    {
        using var asked = new SemaphoreSlim(0);
        using var server = new ScriptedServer(peer =>
        {
            peer.Open();
            for (var pair = 0; pair < 5; pair++)
            {
                var requests = new[] { peer.ReadRequest(), peer.ReadRequest() };
                peer.Socket.ReceiveTimeout = 60;
                Assert.That(() => peer.Receive(1), Throws.TypeOf<System.Net.Sockets.SocketException>(), "a third request came");
                peer.Socket.ReceiveTimeout = 0;
                foreach (var request in requests) peer.Simple(request.Cookie);
            }

            peer.ReadRequest();
        });
        using var client = server.Connect(ScriptedServer.Options() with { RequestsMax = 2 });
        var threads = Enumerable.Range(0, 10).Select(_ => new Thread(client.Flush)).ToList();
        threads.ForEach(thread => thread.Start());
        Assert.That(threads.TrueForAll(thread => thread.Join(10_000)), Is.True);
    }

    [Test]
    public void Requests_WithLimitsOfTheServer_AreSplit()
    {
        var (disk, seen) = (new byte[ScriptedPeer.DiskBytes], new List<NbdRequest>());
        using var server = new ScriptedServer(peer =>
        {
            peer.Open(sizes: ScriptedPeer.BlockFact(512, 4096, 64 << 10));
            peer.Serve(disk, seen);
        });
        var data = new byte[200_192];
        new Random(2).NextBytes(data);
        var read = new byte[data.Length];
        using (var client = server.Connect())
        {
            client.WriteThrough(512, data);
            client.Read(512, read);
            Assert.That((client.PayloadBytesMax, client.MinimumBlockBytes, client.SectorSize), Is.EqualTo((64 << 10, 512, 512)));
        }

        Assert.Multiple(() =>
        {
            Assert.That(read, Is.EqualTo(data));
            Assert.That(disk.AsSpan(512, data.Length).SequenceEqual(data), Is.True);
            Assert.That(seen.Where(request => request.Command == NbdCommand.Write).Select(request => (request.Length, request.Flags)), Is.EqualTo(new[] { 65_536u, 65_536u, 65_536u, 3_584u }.Select(length => (length, NbdCommandFlags.Fua))));
            Assert.That(seen[^1].Command, Is.EqualTo(NbdCommand.Disconnect));
        });
    }

    [Test]
    public void Requests_SmallerThanTheServersLeast_AreWidened()
    {
        const int Unit = 4096;
        var (disk, seen) = (new byte[ScriptedPeer.DiskBytes], new List<NbdRequest>());
        var random = new Random(4);
        random.NextBytes(disk);
        var expected = disk.ToArray();
        using var server = new ScriptedServer(peer =>
        {
            peer.Open(sizes: ScriptedPeer.BlockFact(Unit, Unit, 64 << 10));
            peer.Serve(disk, seen);
        });
        using (var client = server.Connect())
        {
            Assert.That(client.SectorSize, Is.EqualTo(4096));
            // Halves of one block, written by two threads again and again: each has to survive the other's read-modify-write.
            var (left, right) = (new byte[Unit / 2], new byte[Unit / 2]);
            random.NextBytes(left);
            random.NextBytes(right);
            Parallel.Invoke(() => Repeat(100, () => client.Write(0, left)), () => Repeat(100, () => client.Write(Unit / 2, right)), () => Repeat(100, () => client.Write(Unit, expected.AsSpan(Unit, Unit))));
            left.CopyTo(expected, 0);
            right.CopyTo(expected, Unit / 2);
            for (var round = 0; round < 300; round++)
            {
                var offset = random.Next(3 * Unit, 40 * Unit);
                var data = new byte[random.Next(1, 5 * Unit)];
                switch (round % 4)
                {
                    case 0:
                        client.Punch(offset, data.Length);
                        data.CopyTo(expected, offset);
                        break;
                    case 1:
                        client.Read(offset, data);
                        Assert.That(data.AsSpan().SequenceEqual(expected.AsSpan(offset, data.Length)), Is.True, $"{data.Length} bytes at {offset}");
                        break;
                    default:
                        random.NextBytes(data);
                        client.Write(offset, data);
                        data.CopyTo(expected, offset);
                        break;
                }
            }

            client.Trim(8 * Unit + 1, 3 * Unit);
            client.Trim(8 * Unit + 1, Unit - 2);
        }

        Assert.Multiple(() =>
        {
            Assert.That(disk.AsSpan().SequenceEqual(expected), Is.True);
            Assert.That(seen, Has.All.Matches<NbdRequest>(request => request.Offset % Unit == 0 && request.Length % Unit == 0));
            Assert.That(seen.Where(request => request.Command == NbdCommand.Trim).Select(request => (request.Offset, request.Length)), Is.EqualTo(new[] { (9UL * Unit, 2u * Unit) }));
        });
    }

    [Test]
    public void Write_OfAWholeBlock_WaitsForItsReadModifyWrite()
    {
        using var isRead = new ManualResetEventSlim();
        using var server = new ScriptedServer(peer =>
        {
            peer.Open(sizes: ScriptedPeer.BlockFact(4096, 4096, 64 << 10));
            var read = peer.ReadRequest();
            isRead.Set();
            peer.Socket.ReceiveTimeout = 200;
            Assert.That(() => peer.Receive(1), Throws.TypeOf<System.Net.Sockets.SocketException>(), "the whole write came amid the other");
            peer.Socket.ReceiveTimeout = 0;
            peer.Chunk(read.Cookie, NbdChunk.OffsetHole, true, [.. ScriptedPeer.Number(0UL), .. ScriptedPeer.Number(4096u)]);
            foreach (var expected in (byte[])[1, 2])
            {
                var write = peer.ReadRequest(out var data);
                Assert.That((write.Command, write.Length, data[0]), Is.EqualTo((NbdCommand.Write, 4096u, expected)));
                peer.Simple(write.Cookie);
            }

            peer.ReadRequest();
        });
        using var client = server.Connect();
        var part = Task.Factory.StartNew(() => client.Write(0, [1]), TaskCreationOptions.LongRunning);
        Assert.That(isRead.Wait(5000), Is.True);
        var whole = Task.Factory.StartNew(() => client.Write(0, Enumerable.Repeat((byte)2, 4096).ToArray()), TaskCreationOptions.LongRunning);
        Assert.That(Task.WaitAll([part, whole], 5000), Is.True);
    }

    [Test]
    public void Zeros_ByWhatTheServerCan_GoTheRightWay()
    {
        var (disk, seen) = (new byte[ScriptedPeer.DiskBytes], new List<NbdRequest>());
        var flags = NbdTransmissionFlags.HasFlags | NbdTransmissionFlags.SendFlush | NbdTransmissionFlags.SendTrim;
        using var server = new ScriptedServer(peer =>
        {
            peer.Open(export: ScriptedPeer.ExportFact(ScriptedPeer.DiskBytes, flags));
            peer.Serve(disk, seen);
        });
        void Use()
        {
            using var client = server.Connect();
            client.Zero(1000, 3000);
            client.Punch(1000, 3000);
            client.TryZeroFast(1000, 3000, keepsSpace: false);
            client.WriteThrough(0, new byte[512]);
            client.Cache(0, 4096);
        }

        static (NbdCommand, NbdCommandFlags) Of(NbdRequest request) => (request.Command, request.Flags);
        Use();
        var without = seen.Select(Of).ToList();
        seen.Clear();
        flags = ScriptedPeer.AllFlags;
        Use();
        Assert.Multiple(() =>
        {
            Assert.That(without, Is.EqualTo(new[]
            {
                (NbdCommand.Write, NbdCommandFlags.None), (NbdCommand.Write, NbdCommandFlags.None), (NbdCommand.Write, NbdCommandFlags.None), (NbdCommand.Flush, NbdCommandFlags.None),
                (NbdCommand.Disconnect, NbdCommandFlags.None),
            }));
            Assert.That(seen.Select(Of), Is.EqualTo(new[]
            {
                (NbdCommand.WriteZeroes, NbdCommandFlags.NoHole), (NbdCommand.WriteZeroes, NbdCommandFlags.None), (NbdCommand.WriteZeroes, NbdCommandFlags.FastZero),
                (NbdCommand.Write, NbdCommandFlags.Fua), (NbdCommand.Cache, NbdCommandFlags.None), (NbdCommand.Disconnect, NbdCommandFlags.None),
            }));
        });
    }

    [Test]
    public void Status_InShortAnswers_CoversTheRangeExactly()
    {
        using var server = new ScriptedServer(peer =>
        {
            peer.Open(contexts: [NbdContextNames.Allocation, "vmrepl:x"]);
            for (var flags = 0u; ; flags++)
            {
                var request = peer.ReadRequest();
                if (request.Command == NbdCommand.Disconnect) return;
                // A server may stop early, and its last extent may pass the range.
                peer.Chunk(request.Cookie, NbdChunk.BlockStatus, false, ScriptedPeer.Extents(8, (4096, 0xffff_ffff)));
                peer.Chunk(request.Cookie, NbdChunk.BlockStatus, true, ScriptedPeer.Extents(7, (100, flags % 4), (200, flags % 4), (700, (flags + 1) % 4)));
            }
        });
        using var client = server.Connect(ScriptedServer.Options() with { Contexts = ["vmrepl:x"] });
        var runs = client.Map(512, 2500).ToList();
        Assert.Multiple(() =>
        {
            Assert.That(runs.Sum(run => run.Length), Is.EqualTo(2500));
            Assert.That(runs.Select(run => (run.Offset, run.State)), Is.EqualTo(new[]
            {
                // Flags 0, 1; 1, 2; 2, 3: data, a hole of unknown contents, the same, zeros, the same, a hole.
                (512L, BlockState.Data), (812L, BlockState.Data), (1512L, BlockState.Data), (1812L, BlockState.Zero), (2512L, BlockState.Zero), (2812L, BlockState.Unallocated),
            }));
            Assert.That(() => client.Status("vmrepl:y", 0, 512), Throws.TypeOf<NotSupportedException>());
            Assert.That(client.Status("vmrepl:x", 0, 512).ToList(), Is.EqualTo(new[] { new NbdExtent(512, 0xffff_ffff) }));
        });
    }

    [Test]
    public void Calls_OutsideTheExportOrAgainstItsNature_AreRefusedHere()
    {
        using var server = new ScriptedServer(peer =>
        {
            peer.Open(export: ScriptedPeer.ExportFact(ScriptedPeer.DiskBytes, NbdTransmissionFlags.HasFlags | NbdTransmissionFlags.ReadOnly | NbdTransmissionFlags.CanMultiConn));
            Assert.That(peer.ReadRequest().Command, Is.EqualTo(NbdCommand.Disconnect));
        });
        using var client = server.Connect();
        Assert.Multiple(() =>
        {
            Assert.That((client.IsReadOnly, client.CanMultiConn), Is.EqualTo((true, true)));
            Assert.That(() => client.Write(0, new byte[1]), Throws.TypeOf<NotSupportedException>());
            Assert.That(() => client.Zero(0, 1), Throws.TypeOf<NotSupportedException>());
            Assert.That(() => client.Trim(0, 1), Throws.TypeOf<NotSupportedException>());
            Assert.That(() => client.Read(ScriptedPeer.DiskBytes - 1, new byte[2]), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => client.Read(-1, new byte[2]), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(() => client.Map(0, long.MaxValue), Throws.TypeOf<ArgumentOutOfRangeException>());
            Assert.That(client.Flush, Throws.Nothing, "nothing was written");
        });
    }

    [Test]
    public void Flush_OfAServerWithoutOne_IsRefusedAfterAWrite()
    {
        using var server = new ScriptedServer(peer =>
        {
            peer.Open(export: ScriptedPeer.ExportFact(ScriptedPeer.DiskBytes, NbdTransmissionFlags.HasFlags));
            peer.Serve(new byte[ScriptedPeer.DiskBytes], []);
        });
        using var client = server.Connect();
        client.Write(0, new byte[512]);
        Assert.That(client.Flush, Throws.TypeOf<NotSupportedException>());
        Assert.That(() => client.WriteThrough(0, new byte[512]), Throws.TypeOf<NotSupportedException>());
    }

    [Test]
    public void Dispose_WhileACallWaits_ReleasesIt()
    {
        using var asked = new ManualResetEventSlim();
        using var server = new ScriptedServer(peer =>
        {
            peer.Open();
            peer.ReadRequest();
            asked.Set();
            Assert.That(peer.ReadRequest().Command, Is.EqualTo(NbdCommand.Disconnect));
        });
        var client = server.Connect();
        var waiting = Task.Factory.StartNew(() => Assert.That(() => client.Read(0, new byte[512]), Throws.TypeOf<NbdException>().With.Message.Contains("the client was closed")), TaskCreationOptions.LongRunning);
        Assert.That(asked.Wait(5000), Is.True);
        client.Dispose();
        client.Dispose();
        Assert.That(waiting.Wait(5000), Is.True);
        Assert.That(() => client.Read(0, new byte[512]), Throws.TypeOf<NbdException>());
    }

    private static void Repeat(int count, Action action)
    {
        for (var round = 0; round < count; round++) action();
    }
}
