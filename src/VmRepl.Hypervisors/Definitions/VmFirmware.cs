namespace VmRepl.Hypervisors.Definitions;

/// <summary>The firmware that the guest starts with.</summary>
/// <param name="IsEfi">EFI rather than BIOS.</param>
/// <param name="IsSecure">The loader asks for system management mode, as builds with secure boot do.</param>
/// <param name="Loader">Path of the code as the definition gave it, or null: the host's own.</param>
/// <param name="NvramTemplate">Path of the variables that a fresh VM begins with, or null.</param>
/// <param name="Nvram">Path of this VM's variables, or null. They are copied, never written.</param>
public sealed record VmFirmware(bool IsEfi, bool IsSecure = false, string? Loader = null, string? NvramTemplate = null, string? Nvram = null)
{
    public static VmFirmware Bios { get; } = new(false);
}
