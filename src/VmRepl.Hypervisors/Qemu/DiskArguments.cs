using System.Globalization;
using System.Text.Json.Nodes;
using VmRepl.Hypervisors.Definitions;
using VmRepl.Nbd;

namespace VmRepl.Hypervisors.Qemu;

/// <summary>The part of QEMU's command line that says what disks there are: an NBD node for each, and a device on the bus that the guest expects.</summary>
internal sealed class DiskArguments(bool isIntegratedIde)
{
    private const int AhciPorts = 6, IdePlaces = 4;

    private readonly List<string> arguments = [];
    private int ahciUsed, ideUsed, disks, cdroms;
    private bool hasScsi, hasUsb;

    public IReadOnlyList<string> Arguments => arguments;

    public void Add(VmDisk disk, ExportedDisk attached, int? bootIndexGiven)
    {
        var number = (disks++).ToString(CultureInfo.InvariantCulture);
        arguments.AddRange(["-blockdev", Node($"nbd{number}", attached)]);
        var device = Device(disk.Bus, "hd");
        device["id"] = $"disk{number}";
        device["drive"] = $"nbd{number}";
        // Some drivers show a disk by its serial number, so one that was set must stay; nvme has none by itself and demands one.
        if (disk.Serial is not null || disk.Bus == DiskBus.Nvme) device["serial"] = disk.Serial ?? $"vmrepl{number}";
        if (bootIndexGiven is { } index) device["bootindex"] = index;
        if (disk.Bus is DiskBus.Virtio or DiskBus.Scsi or DiskBus.Sata or DiskBus.Ide) (device["werror"], device["rerror"]) = ("report", "report");
        arguments.AddRange(["-device", device.ToJsonString()]);
    }

    public void AddCdrom(DiskBus bus, int? bootIndexGiven)
    {
        var device = Device(bus is DiskBus.Scsi or DiskBus.Sata or DiskBus.Ide ? bus : DiskBus.Sata, "cd");
        device["id"] = $"cd{(cdroms++).ToString(CultureInfo.InvariantCulture)}";
        if (bootIndexGiven is { } index) device["bootindex"] = index;
        arguments.AddRange(["-device", device.ToJsonString()]);
    }

    private static string Node(string name, ExportedDisk attached) => new JsonObject
    {
        ["driver"] = "nbd",
        ["node-name"] = name,
        ["server"] = attached.Address switch
        {
            NbdAddress.Unix unix => new JsonObject { ["type"] = "unix", ["path"] = unix.Path },
            NbdAddress.Tcp tcp => new JsonObject { ["type"] = "inet", ["host"] = tcp.Host, ["port"] = tcp.Port.ToString(CultureInfo.InvariantCulture) },
            var other => throw new QemuException($"disk {attached.Name}: {other} is no address that QEMU can take", "Serve the disks on a Unix socket or by TCP."),
        },
        ["export"] = attached.Export,
        // The server is this host's; one that is gone does not come back within a boot test, and the guest shall see an error and not a hang.
        ["reconnect-delay"] = 0,
        ["cache"] = new JsonObject { ["direct"] = false, ["no-flush"] = false },
        ["discard"] = "unmap",
        ["detect-zeroes"] = "off",
    }.ToJsonString();

    private JsonObject Device(DiskBus bus, string kind)
    {
        switch (bus)
        {
            case DiskBus.Scsi:
                if (!hasScsi) arguments.AddRange(["-device", """{"driver":"virtio-scsi-pci","id":"scsi"}"""]);
                hasScsi = true;
                return new JsonObject { ["driver"] = $"scsi-{kind}", ["bus"] = "scsi.0" };
            case DiskBus.Ide when isIntegratedIde && ideUsed < IdePlaces:
                var place = ideUsed++;
                return new JsonObject { ["driver"] = $"ide-{kind}", ["bus"] = $"ide.{(place / 2).ToString(CultureInfo.InvariantCulture)}", ["unit"] = place % 2 };
            case DiskBus.Ide or DiskBus.Sata:
                var controller = (ahciUsed / AhciPorts).ToString(CultureInfo.InvariantCulture);
                if (ahciUsed % AhciPorts == 0) arguments.AddRange(["-device", $$"""{"driver":"ich9-ahci","id":"ahci{{controller}}"}"""]);
                return new JsonObject { ["driver"] = $"ide-{kind}", ["bus"] = $"ahci{controller}.{(ahciUsed++ % AhciPorts).ToString(CultureInfo.InvariantCulture)}" };
            case DiskBus.Nvme:
                return new JsonObject { ["driver"] = "nvme" };
            case DiskBus.Usb:
                if (!hasUsb) arguments.AddRange(["-device", """{"driver":"qemu-xhci","id":"usb"}"""]);
                hasUsb = true;
                return new JsonObject { ["driver"] = "usb-storage", ["bus"] = "usb.0" };
            default:
                return new JsonObject { ["driver"] = "virtio-blk-pci" };
        }
    }
}
