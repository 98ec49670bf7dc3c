namespace VmRepl.Hypervisors.Definitions;

public enum CpuMode
{
    /// <summary>The most that the accelerator offers.</summary>
    Maximum,

    /// <summary>The model that <see cref="VmDefinition.CpuModel"/> names; under emulation the most it offers, which holds every named model that can be emulated.</summary>
    Named,
}
