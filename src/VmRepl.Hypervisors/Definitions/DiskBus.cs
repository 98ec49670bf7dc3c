namespace VmRepl.Hypervisors.Definitions;

/// <summary>How the guest sees a disk: it must find the driver that its boot loader and its root file system were made for.</summary>
public enum DiskBus
{
    Virtio,
    Scsi,
    Sata,
    Ide,
    Nvme,
    Usb,
}
