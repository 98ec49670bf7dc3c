namespace VmRepl.Hypervisors.Definitions;

/// <summary>A network card. It is there so that the guest finds its device; it leads nowhere.</summary>
/// <param name="Model">As libvirt names it: virtio, e1000, e1000e, rtl8139, vmxnet3.</param>
/// <param name="Mac">Six octets in lower case, with colons, or null.</param>
public sealed record VmInterface(string Model, string? Mac);
