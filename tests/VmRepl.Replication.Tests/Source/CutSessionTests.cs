using VmRepl.Protocol.Connections;
using VmRepl.Replication.Replica;
using VmRepl.Replication.Tests.Stage;

namespace VmRepl.Replication.Tests.Source;

/// <summary>A recorded session, a baseline and a round, is cut at every byte in both directions and resumes.</summary>
[Parallelizable(ParallelScope.All)]
public class CutSessionTests
{
    private const int Baseline = 1, Round = 2;

    // A store takes the groups of that many trials, then makes room for another.
    private const int TrialsPerStore = 256;

    [Test]
    public async Task Session_CutAtEveryByteSent_Resumes([Values(Baseline, Round)] int connection)
    {
        var length = (await RecordAsync(connection)).Sent;
        Assert.That(length, Is.GreaterThan(1000));
        await RunAsync(length, at => (n, inner) => n == connection ? new CuttingTransport(inner, at, long.MaxValue) : inner);
    }

    [Test]
    public async Task Session_CutAtEveryByteReceived_Resumes([Values(Baseline, Round)] int connection)
    {
        var length = (await RecordAsync(connection)).Received;
        Assert.That(length, Is.GreaterThan(100));
        await RunAsync(length, at => (n, inner) => n == connection ? new CuttingTransport(inner, long.MaxValue, at) : inner);
    }

    /// <summary>A longer session, every connection of which is cut somewhere until the cuts come later than its end.</summary>
    [Test]
    public async Task Session_EveryConnectionCutAtRandom_GetsThrough()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"), new ReplicaOptions { CreditBytes = 96 << 10 });
        for (var seed = 0; seed < 40; seed++)
        {
            var random = new Random(seed);
            using var own = new TestDirectory(directory);
            DiskFile[] disks = [new(own, 1, "sda", (3 << 20) + 512), new(own, 2, "sdb", 256 << 10, 4096)];
            foreach (var disk in disks) Contents.Scribble(disk, random, 30);
            ITransport Cut(int n, ITransport inner) =>
                new CuttingTransport(inner, random.NextInt64(300, 300 + (n * 20_000L)), random.Next(3) == 0 ? random.Next(100, 100 + (n * 300)) : long.MaxValue);
            var vm = new ProtectedVm(own, new MemoryConnector(replica.Accept) { Wrap = Cut }, disks, $"vm{seed}");
            for (var round = 0; round < 3; round++)
            {
                await vm.SyncAsync();
                foreach (var disk in disks) Contents.Scribble(disk, random, 10);
            }

            await vm.SyncAsync();
            PointChecker.CheckViews(replica.Store, vm);
            PointChecker.CheckJournal(directory, "store", vm);
            Assert.That(replica.Log.Errors, Is.Empty, $"seed {seed}");
            Assert.That(vm.Connector.Connections, Is.GreaterThan(4), $"seed {seed}");
        }
    }

    [Test]
    public async Task Session_LinkFallsSilent_IsGivenUpAndResumed([Values] bool isRound)
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        DiskFile[] disks = [new(directory, 1, "sda", 300 << 10)];
        Contents.Scribble(disks[0], new Random(1), 20);
        // Nothing is closed: what is sent after so many bytes just does not arrive, and nothing comes back.
        var silent = isRound ? 2 : 1;
        var connector = new MemoryConnector(replica.Accept) { Wrap = (n, inner) => n == silent ? new StallingTransport(inner, 3000) : inner };
        var vm = new ProtectedVm(directory, connector, disks)
        {
            Options = ProtectedVm.Quick with { SilenceMax = TimeSpan.FromMilliseconds(300), PingInterval = TimeSpan.FromMilliseconds(50) },
        };
        vm.Restart();
        await vm.SyncAsync();
        Contents.Scribble(disks[0], new Random(2), 5);
        await vm.SyncAsync();
        PointChecker.CheckViews(replica.Store, vm);
        PointChecker.CheckJournal(directory, "store", vm);
        Assert.That(connector.Connections, Is.EqualTo(3));
    }

    private static async Task<CountingTransport> RecordAsync(int connection)
    {
        CountingTransport? counted = null;
        await RunAsync(1, _ => (n, inner) => n == connection ? counted = new CountingTransport(inner) : inner);
        return counted!;
    }

    private static async Task RunAsync(long trials, Func<long, Func<int, ITransport, ITransport>> wrap)
    {
        for (long first = 0; first < trials; first += TrialsPerStore)
        {
            using var directory = new TestDirectory();
            await using var replica = new ReplicaHost(directory.Host("store"));
            for (var at = first; at < Math.Min(trials, first + TrialsPerStore); at++)
            {
                try
                {
                    await TryAsync(directory, replica, $"vm{at}", wrap(at));
                    Assert.That(replica.Log.Errors, Is.Empty);
                }
                catch (Exception e)
                {
                    throw new AssertionException($"cut at {at}: {e.Message}", e);
                }
            }
        }
    }

    private static async Task TryAsync(TestDirectory directory, ReplicaHost replica, string name, Func<int, ITransport, ITransport> wrap)
    {
        using var own = new TestDirectory(directory);
        // Whatever differs is sent in blocks of 4 KiB, and what ends with the disk in less: that keeps the session short enough to cut it at every byte.
        DiskFile[] disks = [new(own, 1, "sda", (64 << 10) + 1024), new(own, 2, "sdb", (4 << 10) + 512)];
        var random = new Random(1);
        disks[0].Fill(64 << 10, 512, random);
        disks[1].Fill(4096, 512, random);
        var vm = new ProtectedVm(own, new MemoryConnector(replica.Accept) { Wrap = wrap, CapacityBytes = 16 << 10 }, disks, name);
        vm.Definition = vm.Definition with { Metadata = new Dictionary<string, string> { ["name"] = "web" } };
        vm.Restart();
        await vm.SyncAsync();
        disks[0].Fill((64 << 10) + 512, 512, random);
        disks[0].Fill(64 << 10, 512, random);
        disks[1].Punch(4096, 512);
        vm.Definition = vm.Definition with { Metadata = new Dictionary<string, string> { ["name"] = "web 2" } };
        vm.Restart();
        await vm.SyncAsync();
        PointChecker.CheckViews(replica.Store, vm);
        PointChecker.CheckJournal(directory, "store", vm);
    }
}
