using VmRepl.Protocol.Connections;
using VmRepl.Replication.Tests.Stage;

namespace VmRepl.Replication.Tests.Source;

/// <summary>A recorded session, a baseline and a round, is cut at every byte in both directions and resumes. Each connection is cut once; then the line holds.</summary>
[Parallelizable(ParallelScope.All)]
public class CutSessionTests
{
    private const int Baseline = 1, Round = 2;

    [Test]
    public async Task Session_CutAtEveryByteSent_Resumes([Values(Baseline, Round)] int connection) => await CutEverywhereAsync(connection, isSent: true);

    [Test]
    public async Task Session_CutAtEveryByteReceived_Resumes([Values(Baseline, Round)] int connection) => await CutEverywhereAsync(connection, isSent: false);

    private static async Task CutEverywhereAsync(int connection, bool isSent)
    {
        CountingTransport? counted = null;
        await TryAsync((n, inner) => n == connection ? counted = new CountingTransport(inner) : inner, null);
        var length = isSent ? counted!.Sent : counted!.Received;
        Assert.That(length, Is.GreaterThan(100));
        for (long at = 0; at < length; at++)
        {
            var (sent, received) = isSent ? (at, long.MaxValue) : (long.MaxValue, at);
            await TryAsync((n, inner) => n == connection ? new CuttingTransport(inner, sent, received) : inner, at);
        }
    }

    private static async Task TryAsync(Func<int, ITransport, ITransport> wrap, long? at)
    {
        try
        {
            using var directory = new TestDirectory();
            DiskFile[] disks = [new(directory, 1, "sda", 64 << 10), new(directory, 2, "sdb", 6 << 10)];
            var random = new Random(1);
            disks[0].Fill(8192, 512, random);
            disks[1].Fill(5120, 512, random);
            ProtectedVm vm;
            await using (var replica = new ReplicaHost(directory.Host("store")))
            {
                vm = new ProtectedVm(directory, new MemoryConnector(replica.Accept) { Wrap = wrap }, disks);
                vm.Definition = vm.Definition with { Metadata = new Dictionary<string, string> { ["name"] = "web" } };
                vm.Restart();
                await vm.SyncAsync();
                disks[0].Fill(8192, 512, random);
                disks[0].Fill(40960, 512, random);
                disks[1].Fill(0, 512, random);
                await vm.SyncAsync();
                PointChecker.CheckViews(replica.Store, vm);
            }

            PointChecker.CheckJournal(directory, "store", vm);
        }
        catch (Exception e) when (at is not null)
        {
            throw new AssertionException($"cut at {at}: {e.Message}", e);
        }
    }
}
