namespace VmRepl.Hypervisors.Qemu;

/// <summary>What a command line needs beside the VM and its disks.</summary>
/// <param name="Accelerator">KVM or TCG, decided.</param>
/// <param name="Files">Kernel and firmware.</param>
/// <param name="WorkDirectory">Where the sockets go: <see cref="QmpSocket"/> and the others.</param>
public sealed record QemuSetting(Accelerator Accelerator, MachineFiles Files, string WorkDirectory)
{
    public string QmpSocket => Path.Combine(WorkDirectory, "qmp");

    /// <summary>A second monitor, for the administrator's script: a monitor serves one client.</summary>
    public string ScriptQmpSocket => Path.Combine(WorkDirectory, "qmp-script");

    public string SerialSocket => Path.Combine(WorkDirectory, "serial");

    public string AgentSocket => Path.Combine(WorkDirectory, "agent");
}
