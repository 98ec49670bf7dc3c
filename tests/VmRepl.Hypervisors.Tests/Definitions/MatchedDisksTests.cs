using VmRepl.Hypervisors.Definitions;

namespace VmRepl.Hypervisors.Tests.Definitions;

[TestFixture]
public class MatchedDisksTests
{
    private static readonly VmDefinition TwoDisks = new() { Name = "x", Disks = [new VmDisk("vda", DiskBus.Virtio, "/vm/system.qcow2"), new VmDisk("vdb", DiskBus.Scsi, "/vm/data.raw")] };

    [Test]
    public void Match_ByTarget_NeedsNoNote() => Expect(["vdb", "vda"], ["vda", "vdb"], 0);

    [Test]
    public void Match_ByFile_IsNoted() => Expect(["data", "system.qcow2"], ["system.qcow2", "data"], 2);

    [Test]
    public void Match_ByOrder_IsNoted() => Expect(["one", "two"], ["one", "two"], 2);

    [Test]
    public void Match_ADiskThatTheGroupLacks_IsLeftOutAndNamed()
    {
        var matched = MatchedDisks.Match(TwoDisks, ["vda"]);
        Assert.That(matched.Disks.Select(entry => entry.GroupDisk), Is.EqualTo(new[] { "vda" }));
        Assert.That(matched.Notes.Single(), Does.Contain("vdb"));
    }

    [Test]
    public void Match_ADiskThatTheDefinitionLacks_ComesLast() => Expect(["extra", "vda", "vdb"], ["vda", "vdb", "extra"], 1);

    private static void Expect(string[] group, string[] wanted, int notes)
    {
        var matched = MatchedDisks.Match(TwoDisks, group);
        Assert.That(matched.Disks.Select(entry => entry.GroupDisk), Is.EqualTo(wanted));
        Assert.That(matched.Notes, Has.Count.EqualTo(notes));
    }
}
