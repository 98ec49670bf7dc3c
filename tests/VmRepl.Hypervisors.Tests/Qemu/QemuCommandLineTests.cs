using VmRepl.Hypervisors.Definitions;
using VmRepl.Hypervisors.Qemu;
using VmRepl.Hypervisors.Tests.Definitions;
using VmRepl.Nbd;

namespace VmRepl.Hypervisors.Tests.Qemu;

[TestFixture]
public class QemuCommandLineTests
{
    private static readonly QemuInstallation Installed = new(
        "/usr/bin/qemu-system-x86_64", "x86_64", new HashSet<string> { "pc", "q35", "pc-q35-7.2" }, new HashSet<string> { "Skylake-Client" },
        new HashSet<string> { "VGA", "e1000e", "virtio-net-pci", "pvpanic" }, true, false);

    [Test]
    public void Build_AWholeDomain_IsThisLine()
    {
        var vm = LibvirtDefinitionTests.Read(LibvirtDefinitionTests.Shop);
        var (arguments, notes) = Build(vm, Accelerator.Tcg, ["vda", "sda", "sdb"], new MachineFiles(Loader: "/f/code", Nvram: "/w/nvram"));
        Assert.That(string.Join('\n', Pairs(arguments)), Is.EqualTo(
            """
            -nodefaults
            -no-user-config
            -display none
            -S
            -no-shutdown
            -action panic=pause
            -name guest=shop,debug-threads=off
            -machine pc-q35-7.2,pflash0=code,pflash1=variables
            -accel tcg
            -cpu max
            -m size=2048M
            -smp 2
            -rtc base=localtime
            -sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny
            -uuid 4dea22b3-1d52-d8f3-2516-782e98ab3fa0
            -blockdev {"driver":"raw","node-name":"code","read-only":true,"file":{"driver":"file","filename":"/f/code","read-only":true}}
            -blockdev {"driver":"raw","node-name":"variables","read-only":false,"file":{"driver":"file","filename":"/w/nvram","read-only":false}}
            -chardev socket,id=qmp,path=/w/qmp,server=on,wait=off
            -chardev socket,id=script,path=/w/qmp-script,server=on,wait=off
            -chardev socket,id=serial,path=/w/serial,server=on,wait=off
            -chardev socket,id=agent,path=/w/agent,server=on,wait=off
            -mon chardev=qmp,mode=control
            -mon chardev=script,mode=control
            -serial chardev:serial
            -device virtio-serial-pci,id=channels
            -device virtserialport,bus=channels.0,chardev=agent,name=org.qemu.guest_agent.0
            -blockdev {"driver":"nbd","node-name":"nbd0","server":{"type":"unix","path":"/s/vda"},"export":"shop/vda@7","reconnect-delay":0,"cache":{"direct":false,"no-flush":false},"discard":"unmap","detect-zeroes":"off"}
            -device {"driver":"virtio-blk-pci","id":"disk0","drive":"nbd0","serial":"S1","bootindex":2,"werror":"report","rerror":"report"}
            -blockdev {"driver":"nbd","node-name":"nbd1","server":{"type":"unix","path":"/s/sda"},"export":"shop/sda@7","reconnect-delay":0,"cache":{"direct":false,"no-flush":false},"discard":"unmap","detect-zeroes":"off"}
            -device {"driver":"virtio-scsi-pci","id":"scsi"}
            -device {"driver":"scsi-hd","bus":"scsi.0","id":"disk1","drive":"nbd1","bootindex":3,"werror":"report","rerror":"report"}
            -blockdev {"driver":"nbd","node-name":"nbd2","server":{"type":"unix","path":"/s/sdb"},"export":"shop/sdb@7","reconnect-delay":0,"cache":{"direct":false,"no-flush":false},"discard":"unmap","detect-zeroes":"off"}
            -device {"driver":"ich9-ahci","id":"ahci0"}
            -device {"driver":"ide-hd","bus":"ahci0.0","id":"disk2","drive":"nbd2","bootindex":4,"werror":"report","rerror":"report"}
            -device {"driver":"ide-cd","bus":"ahci0.1","id":"cd0","bootindex":1}
            -netdev hubport,id=net0,hubid=0
            -device {"driver":"e1000e","netdev":"net0","mac":"52:54:00:aa:bb:01"}
            -device VGA
            -device pvpanic
            """));
        Assert.That(notes, Has.Count.EqualTo(1), "qxl is not installed");
    }

    [Test]
    public void Build_NameWithCommas_StaysOneValue() =>
        Assert.That(Build(new VmDefinition { Name = "a,process=evil" }, Accelerator.Tcg, [], new MachineFiles()).Arguments, Does.Contain("guest=a,,process=evil,debug-threads=off"));

    [Test]
    public void Build_UnknownMachine_FallsBackAndSaysSo()
    {
        var (arguments, notes) = Build(new VmDefinition { Name = "x", Machine = "pc-q35-rhel9.2.0" }, Accelerator.Tcg, [], new MachineFiles());
        Assert.That(arguments, Does.Contain("q35"));
        Assert.That(notes.Single(), Does.Contain("rhel9"));
    }

    [Test]
    public void Build_UnderKvm_TakesTheNamedProcessor() =>
        Assert.That(Build(new VmDefinition { Name = "x", CpuMode = CpuMode.Named, CpuModel = "Skylake-Client" }, Accelerator.Kvm, [], new MachineFiles()).Arguments, Does.Contain("Skylake-Client").And.Contain("kvm"));

    [TestCase("nbd://127.0.0.1:1234/shop/vda@7", "127.0.0.1:1234")]
    [TestCase("nbd://[::1]/shop/vda@7", "[::1]:10809")]
    [TestCase("nbd+unix:///shop/vda@7?socket=/run/a%20b", "unix:/run/a b")]
    public void FromUri_AsAttachPrints_HasAddressAndExport(string uri, string address)
    {
        var disk = ExportedDisk.FromUri("vda", uri);
        Assert.That((disk.Address.ToString(), disk.Export), Is.EqualTo((address, "shop/vda@7")));
    }

    [TestCase("nbds://h/x")]
    [TestCase("nbd+unix:///x")]
    [TestCase("file:///x")]
    [TestCase("x")]
    public void FromUri_Others_AreRefused(string uri) => Assert.That(() => ExportedDisk.FromUri("vda", uri), Throws.TypeOf<QemuException>());

    private static (IReadOnlyList<string> Arguments, IReadOnlyList<string> Notes) Build(VmDefinition vm, Accelerator accelerator, string[] disks, MachineFiles files) =>
        QemuCommandLine.Build(vm, MatchedDisks.Match(vm, disks), [.. disks.Select(name => new ExportedDisk(name, new NbdAddress.Unix($"/s/{name}"), $"shop/{name}@7"))], Installed, new QemuSetting(accelerator, files, "/w"));

    private static IEnumerable<string> Pairs(IReadOnlyList<string> arguments)
    {
        for (var i = 0; i < arguments.Count; i++)
            yield return i + 1 < arguments.Count && arguments[i + 1][0] != '-' ? $"{arguments[i]} {arguments[++i]}" : arguments[i];
    }
}
