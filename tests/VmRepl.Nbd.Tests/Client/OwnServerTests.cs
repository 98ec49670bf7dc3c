using System.Collections.Concurrent;
using VmRepl.Nbd.Client;
using VmRepl.Nbd.Server;
using VmRepl.Nbd.Tests.Server;

namespace VmRepl.Nbd.Tests.Client;

/// <summary>Our client with our server.</summary>
[TestFixture]
public class OwnServerTests
{
    private const int DiskBytes = 8 << 20;

    [TestCase("unix")]
    [TestCase("tcp")]
    [TestCase("tls")]
    public void Device_OverOurServer_BehavesAsTheDeviceBehind(string way)
    {
        var pki = Directory.CreateTempSubdirectory("vmrepl-nbd-");
        try
        {
            using var certificates = new Certificates(pki.FullName);
            using var device = new MemoryDevice(DiskBytes);
            using var stage = new ServingStage(device, way == "tls" ? new NbdServerOptions { Tls = certificates.ServerOptions() } : null);
            using var client = NbdClient.Connect(way == "unix" ? new NbdAddress.Unix(stage.Socket) : new NbdAddress.Tcp("127.0.0.1", stage.Port), "disk", new NbdClientOptions { Tls = way == "tls" ? certificates.ClientOptions("localhost") : null });
            var expected = new byte[DiskBytes];
            var faults = new ConcurrentBag<Exception>();
            var threads = Enumerable.Range(0, 8).Select(index => new Thread(() =>
            {
                try
                {
                    Use(client, expected, index);
                }
                catch (Exception e)
                {
                    faults.Add(e);
                }
            })).ToList();
            threads.ForEach(thread => thread.Start());
            threads.ForEach(thread => thread.Join());
            Assert.Multiple(() =>
            {
                Assert.That(faults, Is.Empty);
                Assert.That(device.Bytes.AsSpan().SequenceEqual(expected), Is.True);
                Assert.That(Runs(client.Map(512, DiskBytes - 1024)), Is.EqualTo(Runs(device.Map(512, DiskBytes - 1024))));
                Assert.That((client.IsTls, client.CanMultiConn), Is.EqualTo((way == "tls", true)));
            });
        }
        finally
        {
            pki.Delete(recursive: true);
        }
    }

    [Test]
    public void List_OfOurServer_NamesItsExports()
    {
        using var device = new MemoryDevice(DiskBytes);
        using var stage = new ServingStage(device);
        Assert.That(NbdClient.List(new NbdAddress.Unix(stage.Socket), new NbdClientOptions()), Is.EqualTo(new[] { new NbdListedExport("disk", "") }));
    }

    [Test]
    public void Server_ThatStops_ReleasesTheClient()
    {
        using var device = new MemoryDevice(DiskBytes);
        using var stage = new ServingStage(device);
        using var client = NbdClient.Connect(new NbdAddress.Unix(stage.Socket), "disk", new NbdClientOptions());
        client.Read(0, new byte[512]);
        stage.Stop();
        Assert.That(() => client.Read(0, new byte[512]), Throws.TypeOf<NbdException>());
    }

    private static void Use(NbdClient client, byte[] expected, int index)
    {
        var random = new Random(index);
        const int Part = DiskBytes / 8;
        for (var round = 0; round < 200; round++)
        {
            var length = random.Next(1, round % 10 == 0 ? Part / 2 : 9000);
            var offset = (index * Part) + random.Next(Part - length);
            var data = new byte[length];
            switch (round % 6)
            {
                case 0:
                    client.Punch(offset, length);
                    break;
                case 1:
                    client.Zero(offset, length);
                    break;
                case 2:
                    client.Read(offset, data);
                    Assert.That(data.AsSpan().SequenceEqual(expected.AsSpan(offset, length)), Is.True, $"part {index}, round {round}");
                    continue;
                case 3:
                    random.NextBytes(data);
                    client.WriteThrough(offset, data);
                    break;
                default:
                    random.NextBytes(data);
                    client.Write(offset, data);
                    break;
            }

            data.CopyTo(expected, offset);
        }

        client.Flush();
    }

    /// <summary>Neighbours of one state joined.</summary>
    private static List<(long Offset, Blocks.BlockState State)> Runs(IEnumerable<Blocks.MapExtent> map)
    {
        var runs = new List<(long Offset, Blocks.BlockState State)>();
        foreach (var run in map)
        {
            if (runs.Count == 0 || runs[^1].State != run.State) runs.Add((run.Offset, run.State));
        }

        return runs;
    }
}
