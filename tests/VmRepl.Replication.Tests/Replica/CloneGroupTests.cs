using VmRepl.Journal.Store;
using VmRepl.Protocol.Connections;
using VmRepl.Protocol.Messages;
using VmRepl.Protocol.Names;
using VmRepl.Protocol.Records;
using VmRepl.Replication.Reading;
using VmRepl.Replication.Source;
using VmRepl.Replication.Tests.Stage;

namespace VmRepl.Replication.Tests.Replica;

/// <summary>A clone is a group of its own: with one disk, one point and an owner, whose rights are its rights.</summary>
[Parallelizable(ParallelScope.All)]
public class CloneGroupTests
{
    private const int MiB = 1 << 20;

    private static readonly string Name = CloneGroupName.Of(new Guid("11112222-3333-4444-5555-666677778888"));
    private static readonly DeclaredClone Clone = new("web1", "sda", "its contents", "before upgrade", 1_700_000_000_000_000);

    private static ProtectedVm Source(TestDirectory directory, ReplicaHost replica, Func<int, ITransport, ITransport>? wrap = null)
    {
        var disk = new DiskFile(directory, 1, "sda", 4 * MiB);
        disk.Fill(MiB, MiB, new Random(8));
        var vm = new ProtectedVm(directory, new MemoryConnector(replica.Accept) { Wrap = wrap ?? ((_, t) => t) }, [disk], Name);
        vm.Definition = vm.Definition with { CloneOf = Clone };
        vm.Restart();
        return vm;
    }

    [Test]
    public async Task Clone_AfterRestartOfBoth_IsListedWithItsOwnerAndNotAmongTheGroups()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        var vm = Source(directory, replica);
        var point = (await vm.SyncAsync()).Sequence;
        await replica.StopAsync();
        replica.Store.Dispose();
        replica.Open(directory.Host("store"));
        Assert.That(replica.Store.Get(Name).Description.CloneOf, Is.EqualTo(new CloneDescription(Clone.Owner, Clone.Disk, Clone.Base, Clone.Name, Clone.TimeUs)));
        await using var peer = await RawPeer.ConnectAsync(replica, Hello.ReadOnly);
        Assert.Multiple(() =>
        {
            Assert.That(peer.AskAsync<GroupList>(new ListGroups()).Result.Groups, Is.Empty);
            Assert.That(peer.AskAsync<CloneList>(new ListClones("web1")).Result.Clones, Is.EqualTo(new[] { new KeptClone(Name, Clone, point, 4 * MiB) }));
            Assert.That(peer.AskAsync<CloneList>(new ListClones("web2")).Result.Clones, Is.Empty);
            Assert.That(() => replica.Store.Get("other"), Throws.TypeOf<StoreException>().With.Property("Hint").EqualTo("This store holds no groups."));
        });
        PointChecker.CheckViews(replica.Store, vm);
    }

    [Test]
    public async Task Clone_WhoseEndTheSourceDidNotHear_IsTakenAsItIs()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        var vm = Source(directory, replica);
        var first = await vm.SyncAsync();
        File.Delete(directory.File($"agent-{Name}/progress.json"));
        vm.Restart();
        var second = await vm.Group.SyncAsync(default);
        Assert.That((second.Sequence, second.ChangedBytes), Is.EqualTo((first.Sequence, 0L)));
        PointChecker.CheckViews(replica.Store, vm);
    }

    [Test]
    public async Task Clone_ThatIsWhole_TakesNothingMore()
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        await using var peer = await RawPeer.ConnectAsync(replica);
        await peer.AskAsync<GroupState>(RawPeer.Opening(Name) with { CloneOf = Clone });
        await peer.Connection.SendAsync(new RecordBatch(0, 0, [RawPeer.Fact(RecordKind.ResyncEnd, 1)]));
        while ((await peer.ReceiveAsync<Ack>()).Applied < 1)
        {
        }

        await peer.Connection.SendAsync(new RecordBatch(0, 1, [RawPeer.Write(2)]));
        IMessage? said;
        while ((said = await peer.NextAsync()) is Ack)
        {
        }

        Assert.That((said as Failure)?.Message, Does.Contain("one point of its baseline"));
    }

    [TestCase("web1", true)]
    [TestCase("web2", false)]
    public async Task Clone_PeerOfOwnerAlone_MayOpenAndReadIt(string mine, bool may)
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        await Source(directory, replica).SyncAsync();
        await using var writer = await RawPeer.ConnectAsync(replica, identity: TestIdentity.For(mine));
        await using var reader = await RawPeer.ConnectAsync(replica, Hello.ReadOnly, TestIdentity.For(mine));
        var opening = RawPeer.Opening(Name, length: 4 * MiB) with { CloneOf = Clone };
        var (opened, read, listed) = (await Ask(writer, opening), await Ask(reader, new OpenView(Name, "latest")), await Ask(reader, new ListClones("web1")));
        Assert.That((opened is GroupState, read is ViewOpened, listed is CloneList), Is.EqualTo((may, may, may)), $"{opened}\n{read}\n{listed}");
        if (may) return;
        // Nor by saying that it is a clone of what they may open.
        await using var liar = await RawPeer.ConnectAsync(replica, identity: TestIdentity.For(mine));
        Assert.That((await Ask(liar, opening with { CloneOf = Clone with { Owner = mine } }) as Refusal)?.Code, Is.EqualTo(RefusalCode.GroupTaken));

        static async Task<IMessage?> Ask(RawPeer peer, IMessage message)
        {
            await peer.Connection.SendAsync(message);
            return await peer.NextAsync();
        }
    }

    [TestCase("vm")]
    [TestCase("clone-1")]
    [TestCase("clone-1111222233334444555566667777888G")]
    public async Task Opening_CloneUnderAnotherName_IsRefused(string name)
    {
        using var directory = new TestDirectory();
        await using var replica = new ReplicaHost(directory.Host("store"));
        await using var peer = await RawPeer.ConnectAsync(replica);
        Assert.That((await peer.AskAsync<Refusal>(RawPeer.Opening(name) with { CloneOf = Clone })).Code, Is.EqualTo(RefusalCode.Protocol));
        Assert.That(replica.Store.Groups, Is.Empty);
    }

    [Test]
    public async Task Clones_OfBareStore_AreRead()
    {
        using var directory = new TestDirectory();
        await using (var replica = new ReplicaHost(directory.Host("store"))) await Source(directory, replica).SyncAsync();
        await using var reader = new StorePastReader(ReplicaStore.OpenForReading(directory.Host("store"), ReplicaHost.Settings));
        var clone = (await reader.ClonesAsync("web1", default)).Single();
        Assert.That((clone.Group, clone.Name, clone.Disk, clone.Length, clone.Time.ToUnixTimeSeconds()), Is.EqualTo((Name, Clone.Name, "sda", 4L * MiB, 1_700_000_000L)));
    }
}
