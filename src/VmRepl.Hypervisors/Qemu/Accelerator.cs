namespace VmRepl.Hypervisors.Qemu;

public enum Accelerator
{
    /// <summary>KVM where it works, else emulation.</summary>
    Best,

    Kvm,

    /// <summary>QEMU's own emulation: everywhere, and slow.</summary>
    Tcg,
}
