using System.Text;
using VmRepl.Hypervisors.Definitions;

namespace VmRepl.Hypervisors.Tests.Definitions;

[TestFixture]
public class JsonDefinitionTests
{
    private const string Whole =
        """
        {"kind":"vmrepl-vm","name":"db","memoryMiB":512,"vcpus":2,"cpu":"max","machine":"q35","firmware":"efi","kernel":"/k/vmlinuz","initrd":"/k/i","cmdline":"quiet",
         "disks":[{"disk":"system"},{"disk":"data","bus":"nvme","serial":"N1"}],"interfaces":[{"model":"virtio","mac":"52:54:00:00:00:01"}],"video":"none","localTime":true}
        """;

    [Test]
    public void Read_EveryProperty_IsTaken()
    {
        var vm = Read(Whole);
        Assert.Multiple(() =>
        {
            Assert.That((vm.Name, vm.MemoryBytes, vm.Vcpus, vm.Machine, vm.Firmware.IsEfi, vm.Video, vm.IsClockLocal), Is.EqualTo(("db", 512L << 20, 2, "q35", true, "none", true)));
            Assert.That(vm.Disks, Is.EqualTo(new[] { new VmDisk("system", DiskBus.Virtio), new VmDisk("data", DiskBus.Nvme, null, "N1") }));
            Assert.That(vm.DirectBoot, Is.EqualTo(new DirectBoot("/k/vmlinuz", "/k/i", "quiet")));
        });
    }

    [Test]
    public void Read_CutAtEveryByte_IsRefused()
    {
        var bytes = Encoding.UTF8.GetBytes(Whole.TrimEnd());
        for (var length = 1; length < bytes.Length; length++)
            Assert.That(() => VmDefinitions.Read(bytes.AsMemory(0, length), "g", new HostCapacity(1L << 30, 2)), Throws.TypeOf<DefinitionException>(), $"{length} bytes");
    }

    [TestCase("""{"name":"x"}""")]
    [TestCase("""{"kind":"vmrepl-vm","nmae":"x"}""")]
    [TestCase("""{"kind":"vmrepl-vm","name":"\u0000"}""")]
    [TestCase("""{"kind":"vmrepl-vm","name":"\ud800"}""")]
    [TestCase("""{"kind":"vmrepl-vm","memoryMiB":1e99}""")]
    [TestCase("""{"kind":"vmrepl-vm","memoryMiB":-9223372036854775808}""")]
    [TestCase("""{"kind":"vmrepl-vm","disks":[{"disk":"a"},7]}""")]
    [TestCase("""{"kind":"vmrepl-vm","disks":{}}""")]
    [TestCase("""{"kind":"vmrepl-vm","cmdline":7}""")]
    [TestCase("""{"kind":"vmrepl-vm","kernel":"\u002e./x"}""")]
    [TestCase("[[[[[[[[[[[[]]]]]]]]]]]]")]
    public void Read_HostileText_IsRefused(string json) => Assert.That(() => Read(json), Throws.TypeOf<DefinitionException>());

    [Test]
    public void Read_NoBytes_GivesTheUsualVm()
    {
        var vm = VmDefinitions.Read(null, "shop", new HostCapacity(8L << 30, 8));
        Assert.That((vm.Name, vm.MemoryBytes, vm.Vcpus, vm.Disks.Count, vm.Notes.Count), Is.EqualTo(("shop", 1L << 30, 1, 0, 1)));
    }

    private static VmDefinition Read(string json) => VmDefinitions.Read(Encoding.UTF8.GetBytes(json), "g", new HostCapacity(1L << 30, 2));
}
