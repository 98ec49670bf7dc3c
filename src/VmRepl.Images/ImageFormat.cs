namespace VmRepl.Images;

/// <summary>The container formats of virtual disks.</summary>
public enum ImageFormat
{
    Raw,
    Qcow2,
    Vhdx,
    Vmdk,
    Vhd,
}
