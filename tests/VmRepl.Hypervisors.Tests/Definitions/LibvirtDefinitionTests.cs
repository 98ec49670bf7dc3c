using System.Text;
using VmRepl.Hypervisors.Definitions;

namespace VmRepl.Hypervisors.Tests.Definitions;

[TestFixture]
public class LibvirtDefinitionTests
{
    private static readonly HostCapacity Capacity = new(8L << 30, 4);

    internal const string Shop =
        """
        <?xml version='1.0' encoding='UTF-8'?>
        <domain type='kvm'>
          <name>shop</name>
          <uuid>4dea22b3-1d52-d8f3-2516-782e98ab3fa0</uuid>
          <memory unit='MiB'>2048</memory>
          <vcpu placement='static'>2</vcpu>
          <os firmware='efi'>
            <type arch='x86_64' machine='pc-q35-7.2'>hvm</type>
            <loader readonly='yes' secure='no' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>
            <nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'>/var/lib/libvirt/qemu/nvram/shop_VARS.fd</nvram>
            <boot dev='cdrom'/><boot dev='hd'/>
          </os>
          <features><acpi/><apic/></features>
          <cpu mode='custom'><model fallback='allow'>Skylake-Client</model></cpu>
          <clock offset='localtime'/>
          <devices>
            <disk type='file' device='disk'><source file='/vm/shop/system.qcow2'/><target dev='vda' bus='virtio'/><serial>S1</serial></disk>
            <disk type='block' device='disk'><source dev='/dev/vg/data'/><target dev='sda' bus='scsi'/></disk>
            <disk type='network' device='disk'><source protocol='rbd' name='pool/image'/><target dev='sdb' bus='sata'/></disk>
            <disk type='file' device='cdrom'><source file='/iso/x.iso'/><target dev='sdc' bus='sata'/></disk>
            <interface type='network'><mac address='52:54:00:AA:bb:01'/><model type='e1000e'/></interface>
            <serial type='pty'/><console type='pty'/>
            <video><model type='qxl'/></video>
          </devices>
        </domain>
        """;

    [Test]
    public void Read_AWholeDomain_HasEveryPart()
    {
        var vm = Read(Shop);
        Assert.Multiple(() =>
        {
            Assert.That(vm.Name, Is.EqualTo("shop"));
            Assert.That(vm.Uuid, Is.EqualTo(new Guid("4dea22b3-1d52-d8f3-2516-782e98ab3fa0")));
            Assert.That(vm.MemoryBytes, Is.EqualTo(2L << 30));
            Assert.That(vm.Vcpus, Is.EqualTo(2));
            Assert.That(vm.Machine, Is.EqualTo("pc-q35-7.2"));
            Assert.That(vm.Firmware, Is.EqualTo(new VmFirmware(true, false, "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd", "/var/lib/libvirt/qemu/nvram/shop_VARS.fd")));
            Assert.That(vm.BootOrder, Is.EqualTo(new[] { BootDevice.Cdrom, BootDevice.Disk }));
            Assert.That((vm.CpuMode, vm.CpuModel), Is.EqualTo((CpuMode.Named, "Skylake-Client")));
            Assert.That(vm.IsClockLocal, Is.True);
            Assert.That(vm.HasAcpi, Is.True);
            Assert.That(vm.Disks, Is.EqualTo(new[]
            {
                new VmDisk("vda", DiskBus.Virtio, "/vm/shop/system.qcow2", "S1"), new VmDisk("sda", DiskBus.Scsi, "/dev/vg/data"), new VmDisk("sdb", DiskBus.Sata, "pool/image"),
            }));
            Assert.That(vm.Cdroms, Is.EqualTo(new[] { DiskBus.Sata }));
            Assert.That(vm.Interfaces, Is.EqualTo(new[] { new VmInterface("e1000e", "52:54:00:aa:bb:01") }));
            Assert.That(vm.Video, Is.EqualTo("qxl"));
        });
    }

    [Test]
    public void Read_DirectBoot_HasKernelAndCommandLine() =>
        Assert.That(Read(Small("<os><type>hvm</type><kernel>/k/vmlinuz</kernel><initrd>/k/initrd</initrd><cmdline>root=/dev/vda quiet</cmdline></os>")).DirectBoot, Is.EqualTo(new DirectBoot("/k/vmlinuz", "/k/initrd", "root=/dev/vda quiet")));

    [Test]
    public void Read_CutAtEveryByte_IsRefused()
    {
        var bytes = Encoding.UTF8.GetBytes(Shop);
        for (var length = 1; length < bytes.Length; length++)
            Assert.That(() => VmDefinitions.Read(bytes.AsMemory(0, length), "g", Capacity), Throws.TypeOf<DefinitionException>(), $"{length} bytes");
    }

    [Test]
    public void Read_FlippedBytes_EndInADefinitionOrARefusal()
    {
        var random = new Random(4);
        for (var i = 0; i < 3000; i++)
        {
            var bytes = Encoding.UTF8.GetBytes(Shop);
            for (var n = random.Next(1, 4); n > 0; n--) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            try
            {
                VmDefinitions.Read(bytes, "g", Capacity);
            }
            catch (DefinitionException)
            {
                // A refusal is one of the two ways to end.
            }
        }
    }

    [TestCase("<!DOCTYPE d [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'>]><domain><name>&b;</name></domain>", TestName = "Read_EntityBomb_IsRefused")]
    [TestCase("<!DOCTYPE d SYSTEM 'file:///etc/passwd'><domain/>", TestName = "Read_ExternalDocumentType_IsRefused")]
    [TestCase("<vm/>", TestName = "Read_OtherRoot_IsRefused")]
    [TestCase("<?xml version='1.0' encoding='utf-99'?><domain/>", TestName = "Read_UnknownEncoding_IsRefused")]
    [TestCase("<domain><memory unit='parsec'>1</memory></domain>", TestName = "Read_UnknownUnit_IsRefused")]
    [TestCase("<domain><memory>-1</memory></domain>", TestName = "Read_NegativeMemory_IsRefused")]
    [TestCase("<domain><memory>0</memory></domain>", TestName = "Read_NoMemory_IsRefused")]
    [TestCase("<domain><memory>99999999999999999999999</memory></domain>", TestName = "Read_MemoryBeyondNumbers_IsRefused")]
    [TestCase("<domain><memory>1048576</memory><vcpu>0</vcpu></domain>", TestName = "Read_NoProcessor_IsRefused")]
    [TestCase("<domain><memory>1048576</memory><os><type machine='q35,dumpdtb=/etc/x'/></os></domain>", TestName = "Read_MachineWithOptions_IsRefused")]
    [TestCase("<domain><memory>1048576</memory><os><type arch='../x'/></os></domain>", TestName = "Read_UnknownArchitecture_IsRefused")]
    [TestCase("<domain><memory>1048576</memory><os><kernel>vmlinuz</kernel></os></domain>", TestName = "Read_RelativeKernel_IsRefused")]
    [TestCase("<domain><memory>1048576</memory><devices><disk><target dev='a,b'/></disk></devices></domain>", TestName = "Read_TargetWithComma_IsRefused")]
    [TestCase("<domain><memory>1048576</memory><devices><disk/></devices></domain>", TestName = "Read_DiskWithoutTarget_IsRefused")]
    [TestCase("<domain><memory>1048576</memory><devices><interface><mac address='x'/></interface></devices></domain>", TestName = "Read_OddMac_IsRefused")]
    public void Read_HostileText_IsRefused(string xml) => Assert.That(() => Read(xml), Throws.TypeOf<DefinitionException>());

    [Test]
    public void Read_MoreThanTheHostHas_IsClampedAndNoted()
    {
        var vm = Read("<domain><memory unit='TiB'>999999999</memory><vcpu>100000</vcpu></domain>");
        Assert.That((vm.MemoryBytes, vm.Vcpus, vm.Notes.Count), Is.EqualTo((8L << 30, 4, 2)));
    }

    [Test]
    public void Read_TooManyDisks_IsRefused() =>
        Assert.That(() => Read(Small($"<devices>{string.Concat(Enumerable.Range(0, 25).Select(i => $"<disk><target dev='vd{i}'/></disk>"))}</devices>")), Throws.TypeOf<DefinitionException>());

    [Test]
    public void Read_DeepNesting_IsReadOrRefused()
    {
        var deep = Small(string.Concat(Enumerable.Repeat("<a>", 60_000)) + string.Concat(Enumerable.Repeat("</a>", 60_000)));
        Assert.That(Read(deep).Disks, Is.Empty);
    }

    [Test]
    public void Read_TooLarge_IsRefused() => Assert.That(() => VmDefinitions.Read(new byte[VmDefinitions.BytesMax + 1], "g", Capacity), Throws.TypeOf<DefinitionException>());

    internal static VmDefinition Read(string xml) => VmDefinitions.Read(Encoding.UTF8.GetBytes(xml), "g", Capacity);

    private static string Small(string inner) => $"<domain><name>x</name><memory>1048576</memory>{inner}</domain>";
}
