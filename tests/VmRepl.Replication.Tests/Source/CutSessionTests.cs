using VmRepl.Protocol.Connections;
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
        DiskFile[] disks = [new(own, 1, "sda", 64 << 10), new(own, 2, "sdb", 6 << 10)];
        var random = new Random(1);
        disks[0].Fill(8192, 512, random);
        disks[1].Fill(5120, 512, random);
        var vm = new ProtectedVm(own, new MemoryConnector(replica.Accept) { Wrap = wrap }, disks, name);
        vm.Definition = vm.Definition with { Metadata = new Dictionary<string, string> { ["name"] = "web" } };
        vm.Restart();
        await vm.SyncAsync();
        disks[0].Fill(8192, 512, random);
        disks[0].Fill(40960, 512, random);
        disks[1].Fill(0, 512, random);
        await vm.SyncAsync();
        PointChecker.CheckViews(replica.Store, vm);
        PointChecker.CheckJournal(directory, "store", vm);
    }
}
