namespace VmRepl.Agent.Commands;

/// <summary>Where the agent's Unix socket is when <c>--socket</c> does not say.</summary>
internal static class AgentSocket
{
    public const string Variable = "VMREPL_SOCKET";

    private const string FileName = "agent.sock";

    /// <summary>VMREPL_SOCKET; else /run/vmrepl for root, the user's runtime directory (or ~/.local/share/vmrepl where there is none) for others, ProgramData on Windows.</summary>
    public static string Default(Func<string, string?> environment)
    {
        if (environment(Variable) is { Length: > 0 } given) return Path.GetFullPath(given);
        if (OperatingSystem.IsWindows())
            return Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.CommonApplicationData), "VmRepl", FileName);
        if (Environment.IsPrivilegedProcess) return Path.Combine("/run/vmrepl", FileName);
        return environment("XDG_RUNTIME_DIR") is { Length: > 0 } runtime
            ? Path.Combine(runtime, "vmrepl", FileName)
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData), "vmrepl", FileName);
    }
}
