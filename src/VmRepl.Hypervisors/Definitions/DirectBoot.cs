namespace VmRepl.Hypervisors.Definitions;

/// <summary>A kernel that the hypervisor loads itself.</summary>
/// <param name="Kernel">Path as the definition gave it; see <see cref="DefinitionFiles"/>.</param>
/// <param name="Initrd">Path, or null.</param>
/// <param name="CommandLine">Kernel command line; may be empty.</param>
public sealed record DirectBoot(string Kernel, string? Initrd, string CommandLine);
