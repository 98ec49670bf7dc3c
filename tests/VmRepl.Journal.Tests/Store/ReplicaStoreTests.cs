extern alias simulation;
using simulation::VmRepl.Simulation.Storage;
using VmRepl.Blocks.Files;
using VmRepl.Journal.Store;

namespace VmRepl.Journal.Tests.Store;

public class ReplicaStoreTests
{
    private readonly SimulatedVolume volume = new(1, 1L << 30);
    private readonly StoreSettings settings = new() { NewGuid = Guid.NewGuid, Journal = new JournalOptions { SegmentBytes = 1 << 20 } };

    [Test]
    public void OpenForWriting_Twice_KeepsTheIdentityAndCountsUp()
    {
        var directory = volume.Directory("identity");
        StoreIdentity first;
        using (var store = ReplicaStore.OpenForWriting(directory, settings)) first = store.Identity;
        using var again = ReplicaStore.OpenForWriting(directory, settings);
        Assert.That(again.Identity, Is.EqualTo(first with { Incarnation = first.Incarnation + 1 }));
    }

    [Test]
    public void Open_OneGroupDamaged_TheOthersAreThere()
    {
        var directory = volume.Directory("faults");
        using (var store = ReplicaStore.OpenForWriting(directory, settings))
        {
            store.Create(Describe("good"));
            store.Create(Describe("bad"));
        }

        DurableFile.Replace(directory.Directory("groups").Directory("bad"), "group.json", "{"u8);
        using var reader = ReplicaStore.OpenForReading(directory, settings);
        Assert.That(reader.Groups.Select(g => g.Description.Name), Is.EqualTo(new[] { "good" }));
        Assert.That(reader.Faults.Keys, Is.EqualTo(new[] { "bad" }));
        Assert.That(() => reader.Get("bad"), Throws.TypeOf<StoreException>());
        Assert.That(() => reader.Get("none"), Throws.TypeOf<StoreException>().With.Message.Contains("no group named none"));
    }

    [Test]
    public void Create_GroupThatCouldNotBeOpened_IsNotWipedOut()
    {
        var directory = volume.Directory("wiped");
        using (var store = ReplicaStore.OpenForWriting(directory, settings)) store.Create(Describe("g"));
        var group = directory.Directory("groups").Directory("g");
        DurableFile.Replace(group, "group.json", "{"u8);
        using var again = ReplicaStore.OpenForWriting(directory, settings);
        Assert.That(() => again.Create(Describe("g")), Throws.TypeOf<StoreException>());
        Assert.That(group.Directory("live").FileExists("sda.vhdx"), Is.True);
    }

    [Test]
    public void OpenForWriting_DirectoryWithSomethingElse_IsRefused()
    {
        volume.Directory("home").Directory("photographs").Create();
        Assert.That(() => ReplicaStore.OpenForWriting(volume.Directory("home"), settings), Throws.TypeOf<StoreException>());
    }

    private static GroupDescription Describe(string name) => new(name, Guid.Empty, 1, [new DiskDescription(1, "sda", 1 << 20, 512, "raw")]);
}
