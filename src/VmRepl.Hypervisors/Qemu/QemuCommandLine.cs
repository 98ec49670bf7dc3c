using System.Globalization;
using System.Text.Json.Nodes;
using VmRepl.Hypervisors.Definitions;

namespace VmRepl.Hypervisors.Qemu;

/// <summary>
/// A VM and its disks as arguments of QEMU. They go to the program as they are, through no shell; what the definition chose is a checked word, or stands in JSON, or has its commas doubled.
/// The network leads nowhere: each card sits on a hub port without a peer. The machine starts stopped.
/// </summary>
public static class QemuCommandLine
{
    /// <exception cref="QemuException">The QEMU that is installed lacks something without which the VM cannot start.</exception>
    public static (IReadOnlyList<string> Arguments, IReadOnlyList<string> Notes) Build(VmDefinition definition, MatchedDisks disks, IReadOnlyList<ExportedDisk> attached, QemuInstallation qemu, QemuSetting setting)
    {
        var notes = new List<string>();
        var machine = Machine(definition, qemu, notes);
        var isPc = qemu.Architecture != "aarch64";
        List<string> arguments =
        [
            "-nodefaults", "-no-user-config", "-display", "none", "-S", "-no-shutdown", "-action", "panic=pause",
            "-name", $"guest={Doubled(definition.Name)},debug-threads=off",
            "-machine", MachineOption(machine, definition, setting),
            "-accel", setting.Accelerator == Accelerator.Kvm ? "kvm" : "tcg",
            "-cpu", Cpu(definition, qemu, setting.Accelerator, notes),
            "-m", $"size={(definition.MemoryBytes >> 20).ToString(CultureInfo.InvariantCulture)}M",
            "-smp", definition.Vcpus.ToString(CultureInfo.InvariantCulture),
            "-rtc", definition.IsClockLocal ? "base=localtime" : "base=utc",
        ];
        if (qemu.HasSandbox) arguments.AddRange(["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"]);
        if (definition.Uuid is { } uuid) arguments.AddRange(["-uuid", uuid.ToString()]);
        AddFiles(arguments, definition, setting.Files);
        AddChannels(arguments, setting);
        AddDisks(arguments, definition, disks, attached, isPc && !IsQ35(machine));
        AddCards(arguments, definition, qemu, notes);
        AddVideo(arguments, definition, qemu, isPc, notes);
        if (isPc && qemu.Devices.Contains("pvpanic")) arguments.AddRange(["-device", "pvpanic"]);
        return (arguments, notes);
    }

    private static string Machine(VmDefinition definition, QemuInstallation qemu, List<string> notes)
    {
        if (qemu.Architecture == "aarch64") return Known("virt");
        return Known(definition.Machine?.Contains("q35", StringComparison.Ordinal) == true || (definition.Machine is null && definition.Firmware.IsEfi) ? "q35" : "pc");

        string Known(string usual)
        {
            var wanted = definition.Machine;
            if (wanted is null || (qemu.Machines.Contains(wanted) && wanted is not ("none" or "microvm"))) return wanted ?? usual;
            notes.Add($"Machine {wanted} is not one that this QEMU has for a boot test; {usual} is used.");
            return usual;
        }
    }

    private static bool IsQ35(string machine) => machine.Contains("q35", StringComparison.Ordinal);

    private static string MachineOption(string machine, VmDefinition definition, QemuSetting setting)
    {
        var option = machine;
        if (!definition.HasAcpi && machine != "virt") option += ",acpi=off";
        if (definition.Firmware.IsSecure && IsQ35(machine)) option += ",smm=on";
        if (setting.Files is { Loader: not null, IsFlash: true }) option += ",pflash0=code" + (setting.Files.Nvram is null ? "" : ",pflash1=variables");
        return option;
    }

    private static string Cpu(VmDefinition definition, QemuInstallation qemu, Accelerator accelerator, List<string> notes)
    {
        // Under emulation "max" has all that any model has that can be emulated at all.
        if (accelerator != Accelerator.Kvm) return "max";
        if (definition.CpuMode != CpuMode.Named) return "host";
        if (qemu.CpuModels.Contains(definition.CpuModel!)) return definition.CpuModel!;
        notes.Add($"Processor {definition.CpuModel} is not known to this QEMU; the host's own is used.");
        return "host";
    }

    private static void AddFiles(List<string> arguments, VmDefinition definition, MachineFiles files)
    {
        if (files.Loader is { } loader)
        {
            if (files.IsFlash) arguments.AddRange(["-blockdev", Flash("code", loader, isReadOnly: true)]);
            else arguments.AddRange(["-bios", loader]);
        }

        if (files.Nvram is { } nvram) arguments.AddRange(["-blockdev", Flash("variables", nvram, isReadOnly: false)]);
        if (definition.Firmware.IsSecure) arguments.AddRange(["-global", "driver=cfi.pflash01,property=secure,value=on"]);
        if (files.Kernel is not { } kernel) return;
        arguments.AddRange(["-kernel", kernel]);
        if (files.Initrd is { } initrd) arguments.AddRange(["-initrd", initrd]);
        if (definition.DirectBoot is { CommandLine.Length: > 0 } direct) arguments.AddRange(["-append", direct.CommandLine]);
    }

    private static string Flash(string name, string path, bool isReadOnly) => new JsonObject
    {
        ["driver"] = "raw",
        ["node-name"] = name,
        ["read-only"] = isReadOnly,
        ["file"] = new JsonObject { ["driver"] = "file", ["filename"] = path, ["read-only"] = isReadOnly },
    }.ToJsonString();

    private static void AddChannels(List<string> arguments, QemuSetting setting)
    {
        foreach (var (name, path) in new[] { ("qmp", setting.QmpSocket), ("script", setting.ScriptQmpSocket), ("serial", setting.SerialSocket), ("agent", setting.AgentSocket) })
            arguments.AddRange(["-chardev", $"socket,id={name},path={Doubled(path)},server=on,wait=off"]);
        arguments.AddRange(
        [
            "-mon", "chardev=qmp,mode=control", "-mon", "chardev=script,mode=control", "-serial", "chardev:serial",
            "-device", "virtio-serial-pci,id=channels", "-device", "virtserialport,bus=channels.0,chardev=agent,name=org.qemu.guest_agent.0",
        ]);
    }

    private static void AddDisks(List<string> arguments, VmDefinition definition, MatchedDisks disks, IReadOnlyList<ExportedDisk> attached, bool isIntegratedIde)
    {
        // An order given disk by disk goes before one by kinds; without any, disks are tried in their order.
        var isByDisk = disks.Disks.Any(entry => entry.Disk.BootIndex is not null);
        var order = definition.BootOrder.Count > 0 ? definition.BootOrder : [BootDevice.Disk];
        var disksFirst = order.TakeWhile(device => device != BootDevice.Disk).Contains(BootDevice.Cdrom) ? definition.Cdroms.Count : 0;
        var isDiskTried = order.Contains(BootDevice.Disk);
        var builder = new DiskArguments(isIntegratedIde);
        for (var i = 0; i < disks.Disks.Count; i++)
        {
            var (disk, name) = disks.Disks[i];
            builder.Add(disk, attached.Single(a => a.Name == name), isByDisk ? disk.BootIndex : isDiskTried ? disksFirst + i + 1 : null);
        }

        for (var i = 0; i < definition.Cdroms.Count; i++)
            builder.AddCdrom(definition.Cdroms[i], !isByDisk && order.Contains(BootDevice.Cdrom) ? (disksFirst > 0 ? i + 1 : disks.Disks.Count + i + 1) : null);
        arguments.AddRange(builder.Arguments);
    }

    private static void AddCards(List<string> arguments, VmDefinition definition, QemuInstallation qemu, List<string> notes)
    {
        for (var i = 0; i < definition.Interfaces.Count; i++)
        {
            var card = definition.Interfaces[i];
            var driver = card.Model is "virtio" or "virtio-net" or "virtio-non-transitional" or "virtio-transitional" ? "virtio-net-pci" : card.Model;
            if (driver is not ("virtio-net-pci" or "e1000" or "e1000e" or "rtl8139" or "vmxnet3") || !qemu.Devices.Contains(driver))
            {
                notes.Add($"Network card {card.Model} is not one that this QEMU has; virtio is used.");
                driver = "virtio-net-pci";
            }

            // A hub port without another port on its hub: the card has a link, and nobody is there.
            var number = i.ToString(CultureInfo.InvariantCulture);
            arguments.AddRange(["-netdev", $"hubport,id=net{number},hubid={number}"]);
            var device = new JsonObject { ["driver"] = driver, ["netdev"] = $"net{number}" };
            if (card.Mac is { } mac) device["mac"] = mac;
            arguments.AddRange(["-device", device.ToJsonString()]);
        }

        if (definition.Interfaces.Count == 0) arguments.AddRange(["-nic", "none"]);
    }

    private static void AddVideo(List<string> arguments, VmDefinition definition, QemuInstallation qemu, bool isPc, List<string> notes)
    {
        if (definition.Video == "none")
        {
            notes.Add("The VM has no screen, so there is no screenshot.");
            return;
        }

        var driver = definition.Video switch
        {
            "cirrus" => "cirrus-vga",
            "qxl" => "qxl-vga",
            "virtio" => isPc ? "virtio-vga" : "virtio-gpu-pci",
            "bochs" => "bochs-display",
            "ramfb" => "ramfb",
            "vmvga" => "vmware-svga",
            _ => isPc ? "VGA" : "virtio-gpu-pci",
        };
        if (!qemu.Devices.Contains(driver))
        {
            notes.Add($"Video {driver} is not one that this QEMU has; its usual one is used.");
            driver = isPc ? "VGA" : "virtio-gpu-pci";
        }

        arguments.AddRange(["-device", driver]);
    }

    private static string Doubled(string text) => text.Replace(",", ",,", StringComparison.Ordinal);
}
