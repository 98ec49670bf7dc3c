namespace VmRepl.Hypervisors.Definitions;

/// <summary>A disk as the definition has it.</summary>
/// <param name="Target">The name in the guest's order, such as <c>vda</c>; it selects nothing in the guest.</param>
/// <param name="Bus">How it is attached.</param>
/// <param name="Source">File, device or network name that the definition gave, or null. It is never opened: it serves to match the group's disk.</param>
/// <param name="Serial">The serial number shown to the guest, or null.</param>
/// <param name="BootIndex">Place in the boot order from 1, or null.</param>
public sealed record VmDisk(string Target, DiskBus Bus, string? Source = null, string? Serial = null, int? BootIndex = null);
