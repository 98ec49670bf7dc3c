namespace VmRepl.Hypervisors.Qemu;

/// <summary>The files that a VM starts from, found, allowed and, but for the loader, copied into its work directory.</summary>
/// <param name="Kernel">Copy of the kernel, or null.</param>
/// <param name="Initrd">Copy of the initial RAM disk, or null.</param>
/// <param name="Loader">Firmware code, opened read-only, or null for QEMU's BIOS.</param>
/// <param name="Nvram">Copy of the variables that may be written, or null.</param>
/// <param name="IsFlash">The loader is flash; else it is loaded as a ROM.</param>
public sealed record MachineFiles(string? Kernel = null, string? Initrd = null, string? Loader = null, string? Nvram = null, bool IsFlash = true);
