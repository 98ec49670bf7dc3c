using VmRepl.Blocks.Files;
using VmRepl.Hypervisors.Qemu;
using VmRepl.Images.Opening;

namespace VmRepl.Hypervisors.Definitions;

/// <summary>
/// Follows the paths that a definition names. Kernel, initrd, loader and variables are regular files inside directories that the operator named, through no symbolic link that leads out
/// of them; the host's own firmware directories count as named, for firmware only. Disks' sources are never followed.
/// </summary>
/// <param name="allowed">Directories that the operator named.</param>
public sealed class DefinitionFiles(IEnumerable<string> allowed)
{
    private const long FileBytesMax = 1L << 30;

    // Debian and Ubuntu; Fedora, Arch, SUSE. Code and the variables that belong to it, the first that is there.
    private static readonly string[] FirmwareDirectories = ["/usr/share/OVMF", "/usr/share/AAVMF", "/usr/share/edk2", "/usr/share/edk2-ovmf", "/usr/share/qemu", "/usr/share/qemu-efi-aarch64", "/usr/share/ovmf"];

    private static readonly (string Code, string Variables)[] X64 =
    [
        ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"), ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
        ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"), ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
        ("/usr/share/qemu/ovmf-x86_64-code.bin", "/usr/share/qemu/ovmf-x86_64-vars.bin"),
    ];

    private static readonly (string Code, string Variables)[] Arm64 =
    [
        ("/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"), ("/usr/share/edk2/aarch64/QEMU_EFI-pflash.raw", "/usr/share/edk2/aarch64/vars-template-pflash.raw"),
    ];

    private readonly ReferencePolicy policy = new(allowed);
    private readonly ReferencePolicy firmwarePolicy = new(allowed.Concat(FirmwareDirectories));

    /// <summary>Finds and copies.</summary>
    /// <param name="workDirectory">Where copies go; it is the VM's own.</param>
    /// <exception cref="DefinitionException">A path is refused or not there, and nothing can stand for it.</exception>
    public (MachineFiles Files, IReadOnlyList<string> Notes) Prepare(VmDefinition definition, string workDirectory)
    {
        var notes = new List<string>();
        var files = new MachineFiles();
        if (definition.DirectBoot is { } direct)
        {
            files = files with { Kernel = Copy("kernel", policy, direct.Kernel, Path.Combine(workDirectory, "kernel")) };
            if (direct.Initrd is { } initrd) files = files with { Initrd = Copy("initrd", policy, initrd, Path.Combine(workDirectory, "initrd")) };
        }

        var firmware = definition.Firmware;
        if (!firmware.IsEfi) return (firmware.Loader is { } rom ? files with { Loader = Resolve("loader", firmwarePolicy, rom), IsFlash = false } : files, notes);

        var own = (definition.Architecture == "aarch64" ? Arm64 : X64).FirstOrDefault(pair => File.Exists(pair.Code) && File.Exists(pair.Variables));
        var code = firmware.Loader;
        if (code is not null && !File.Exists(Checked("loader", firmwarePolicy, code)))
        {
            notes.Add($"The loader {code} is not on this host; the host's own EFI firmware is used.");
            code = null;
        }

        var isOwn = code is null;
        code = Resolve("loader", firmwarePolicy, code ?? own.Code ?? throw new DefinitionException("loader", "the VM starts by EFI, and no EFI firmware is installed (on Debian: apt-get install ovmf)"));
        string?[] candidates = isOwn ? [firmware.Nvram, own.Variables] : [firmware.Nvram, firmware.NvramTemplate, own.Variables];
        var variables = candidates.OfType<string>().FirstOrDefault(path => File.Exists(Checked("nvram", firmwarePolicy, path)))
            ?? throw new DefinitionException("nvram", "there are no variables for the loader on this host");
        if (firmware.Nvram is { } nvram && nvram != variables) notes.Add($"The VM's EFI variables {nvram} are not on this host; it starts with fresh ones ({variables}).");
        return (files with { Loader = code, Nvram = Copy("nvram", firmwarePolicy, variables, Path.Combine(workDirectory, "nvram")) }, notes);
    }

    private static string Checked(string field, ReferencePolicy policy, string path)
    {
        try
        {
            return policy.Resolve("/definition", LinkEnd(path));
        }
        catch (ReferenceRefusedException e)
        {
            throw new DefinitionException(field, e.Message, e);
        }
    }

    private static string Resolve(string field, ReferencePolicy policy, string path)
    {
        var target = Checked(field, policy, path);
        return HostFileType.IsRegular(target) ? target : throw new DefinitionException(field, $"{path} is not there, or is no regular file");
    }

    // Distributions name firmware and kernels by links; what counts is where they end.
    private static string LinkEnd(string path)
    {
        try
        {
            return File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path;
        }
        catch (IOException)
        {
            return path;
        }
    }

    // A copy cannot be changed under QEMU, and QEMU opens nothing of the definition's choosing.
    private static string Copy(string field, ReferencePolicy policy, string path, string copy)
    {
        var target = Resolve(field, policy, path);
        try
        {
            using var source = new FileStream(target, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            if (source.Length > FileBytesMax) throw new DefinitionException(field, $"{path} is larger than {FileBytesMax} bytes");
            using var into = new FileStream(copy, FileMode.CreateNew, FileAccess.Write);
            source.CopyTo(into);
            return copy;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DefinitionException(field, $"{path}: {e.Message}", e);
        }
    }
}
