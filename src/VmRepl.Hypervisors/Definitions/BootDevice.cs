namespace VmRepl.Hypervisors.Definitions;

/// <summary>A kind of device that the firmware tries, in the order of <see cref="VmDefinition.BootOrder"/>.</summary>
public enum BootDevice
{
    Disk,
    Cdrom,
    Network,
}
