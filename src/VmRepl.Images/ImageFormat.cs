namespace VmRepl.Images;

/// <summary>The container formats of virtual disks.</summary>
public enum ImageFormat
{
    /// <summary>The disk's bytes and nothing else; what the file has no storage for reads as zeros.</summary>
    Raw,

    /// <summary>QCOW2, versions 2 and 3 (QEMU, docs/interop/qcow2.txt).</summary>
    Qcow2,

    /// <summary>VHDX, version 1 ([MS-VHDX]).</summary>
    Vhdx,

    /// <summary>VMDK: hosted, stream-optimized and of ESX (VMware, Virtual Disk Format 5.0; seSparse by QEMU's reader, block/vmdk.c).</summary>
    Vmdk,

    /// <summary>VHD, version 1.0 (Microsoft, Virtual Hard Disk Image Format Specification).</summary>
    Vhd,
}
