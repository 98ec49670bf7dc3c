extern alias simulation;
using simulation::VmRepl.Simulation.Storage;
using VmRepl.Blocks.Files;
using VmRepl.Journal.Store;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Tests.Store;

public class GroupStoreTests
{
    [Test]
    public void Create_NewGroup_IsInItsBaselineWithoutPoints()
    {
        using var group = new TestGroup();
        Assert.That(group.Store.Phase, Is.EqualTo(GroupPhase.Baseline));
        Assert.That(group.Journal.Points, Is.Empty);
        Assert.That(() => group.Append(group.Write(0, 512, 1)), Throws.ArgumentException);
    }

    [Test]
    public void ApplyBaseline_EndedAndReopened_IsTheFirstPoint()
    {
        using var group = new TestGroup();
        group.Baseline(8192, 4096, 7);
        group.EndBaseline();
        group.Reopen();
        Assert.That(group.Store.Phase, Is.EqualTo(GroupPhase.Following));
        Assert.That(group.Journal.Points, Has.Count.EqualTo(1));
        group.AssertPoints();
        Assert.That(() => group.Baseline(0, 512, 1), Throws.ArgumentException);
    }

    [Test]
    public void Create_GroupThatIsThere_IsRefusedAndLeftAsItIs()
    {
        using var group = new TestGroup();
        group.Baseline(0, 4096, 7);
        group.EndBaseline();
        Assert.That(() => GroupStore.Create(group.Directory, group.Store.Description, group.Settings, 2), Throws.TypeOf<StoreException>());
        group.Reopen();
        group.AssertPoints();
    }

    [Test]
    public void Open_NoGroup_SaysSo() =>
        Assert.That(() => GroupStore.Open(new SimulatedVolume(1, 1 << 20).Directory("nothing"), Settings(), 1, isReadOnly: true), Throws.TypeOf<StoreException>());

    [TestCase("{")]
    [TestCase("null")]
    [TestCase("""{"name":"../x","disks":[{"id":1,"name":"a","length":1048576,"sectorSize":512}]}""")]
    [TestCase("""{"name":"g","disks":[]}""")]
    [TestCase("""{"name":"g","disks":[null]}""")]
    [TestCase("""{"name":"g","disks":[{"id":1,"name":"sda","length":1048576},{"id":1,"name":"sdb","length":1048576}]}""")]
    [TestCase("""{"name":"g","disks":[{"id":1,"name":"../../etc/passwd","length":1048576}]}""")]
    public void Open_HostileDescription_IsAStoreException(string json)
    {
        using var group = new TestGroup();
        DurableFile.Replace(group.Directory, "group.json", System.Text.Encoding.UTF8.GetBytes(json));
        Assert.That(() => group.Open(isReadOnly: true), Throws.TypeOf<StoreException>());
    }

    [Test]
    public void MetadataAt_KeySetChangedAndDeleted_IsAsItWas()
    {
        using var group = new TestGroup();
        group.EndBaseline();
        group.Append(group.Metadata("definition", [1]), group.Bookmark("one"));
        group.Append(group.Metadata("definition", [2, 2]), group.Metadata("other", [9]), group.Bookmark("two"));
        group.Append(group.Metadata("definition", []), group.Bookmark("three"));
        group.Reopen();
        Assert.That(At("one"), Is.EqualTo("definition=01"));
        Assert.That(At("two"), Is.EqualTo("definition=0202 other=09"));
        Assert.That(At("three"), Is.EqualTo("other=09"));

        string At(string name)
        {
            using var view = group.Store.OpenView(group.Store.FindPoint(name));
            return string.Join(' ', view.Metadata.OrderBy(m => m.Key).Select(m => $"{m.Key}={Convert.ToHexString(m.Value)}"));
        }
    }

    [Test]
    public void MetadataAt_KeyDeletedBeforeTheStartOfTheRange_DoesNotComeBack()
    {
        using var group = new TestGroup(new JournalOptions { SegmentBytes = 1 << 20, CapacityBytes = 4 << 20, FreeBytesMin = 0 });
        group.EndBaseline();
        group.Append(group.Metadata("gone", [1]), group.Metadata("kept", [2]));
        Fill(group, 3);
        group.Append(group.Metadata("gone", []));
        Fill(group, 12);
        Assert.That(group.Journal.Counters.SegmentsRetired, Is.GreaterThan(5));
        group.Reopen();
        using var view = group.Store.OpenView(group.Journal.Points[0]);
        Assert.That(view.Metadata.Keys, Is.EqualTo(new[] { "kept" }));
    }

    [Test]
    public void SetEpoch_Newer_IsThereAfterPowerIsLost()
    {
        using var group = new TestGroup();
        group.Volume.FlushRoot();
        group.Store.SetEpoch(5);
        group.Crash(CrashKind.PowerLoss);
        Assert.That(group.Store.Description.Epoch, Is.EqualTo(5));
    }

    [TestCase(CrashKind.PowerLoss)]
    [TestCase(CrashKind.ProcessKill)]
    public void Append_CrashAfterItReturned_IsThere(CrashKind kind)
    {
        using var group = new TestGroup();
        group.Volume.FlushRoot();
        group.EndBaseline();
        var point = group.Append(group.Write(4096, 70_144, 3), group.Make(RecordKind.Punch, 8192, 4096), group.Bookmark("here"));
        group.Crash(kind);
        Assert.That(group.Journal.Position.Durable, Is.EqualTo(point));
        group.AssertPoints();
        var live = new byte[TestGroup.DiskBytes];
        group.Store.Live[1].Read(0, live);
        Assert.That(live.AsSpan().SequenceEqual(group.History[point]), Is.True);
    }

    private static StoreSettings Settings() => new() { NewGuid = Guid.NewGuid };

    private static void Fill(TestGroup group, int segments)
    {
        for (var i = 0; i < segments * 3; i++)
        {
            group.Append(group.Make(RecordKind.ResyncBegin), group.Write(i % 2 * (256 << 10), 256 << 10, (byte)i), group.Make(RecordKind.ResyncEnd));
            group.Journal.Checkpoint();
        }
    }
}
