using System.Diagnostics;
using VmRepl.Hypervisors.Qemu;

namespace VmRepl.Hypervisors.Boot;

/// <summary>Runs the administrator's program beside the VM. Its output is not kept, its exit decides; it and what it started are ended with the test.</summary>
internal static class CheckScript
{
    /// <returns>Null for status 0, else the reason.</returns>
    public static async Task<string?> RunAsync(BootCheck.Script script, string group, QemuSetting setting, string serialFile, int qemuId, CancellationToken cancellation)
    {
        var start = new ProcessStartInfo(script.Program, script.Arguments) { RedirectStandardInput = true };
        start.Environment["VMREPL_GROUP"] = group;
        start.Environment["VMREPL_QMP"] = setting.ScriptQmpSocket;
        start.Environment["VMREPL_SERIAL"] = serialFile;
        start.Environment["VMREPL_AGENT"] = setting.AgentSocket;
        start.Environment["VMREPL_QEMU_PID"] = qemuId.ToString(System.Globalization.CultureInfo.InvariantCulture);
        Process process;
        try
        {
            process = Process.Start(start)!;
        }
        catch (Exception e) when (e is System.ComponentModel.Win32Exception or IOException)
        {
            return $"The script does not start: {e.Message}";
        }

        using (process)
        {
            try
            {
                process.StandardInput.Close();
                await process.WaitForExitAsync(cancellation);
                return process.ExitCode == 0 ? null : $"The script ended with status {process.ExitCode}.";
            }
            finally
            {
                if (!process.HasExited) process.Kill(entireProcessTree: true);
            }
        }
    }
}
