using System.Diagnostics;

namespace VmRepl.EndToEnd.Processes;

/// <summary>Runs the built executable as a stranger's script would: by its command line, its output and its exit status, and nothing else.</summary>
internal static class VmReplCommand
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(120);

    public static string Executable { get; } = Path.Combine(AppContext.BaseDirectory, "vmrepl");

    /// <summary>Runs a command to its end.</summary>
    /// <param name="socket">The agent's socket, or null.</param>
    public static CommandResult Run(string? socket, params string[] arguments)
    {
        using var running = Start(socket, arguments);
        return running.Wait(Limit);
    }

    /// <summary>Starts a command and does not wait for it.</summary>
    public static RunningCommand Start(string? socket, params string[] arguments) => Start(socket, new Dictionary<string, string>(), arguments);

    public static RunningCommand Start(string? socket, IReadOnlyDictionary<string, string> environment, params string[] arguments)
    {
        var start = new ProcessStartInfo(Executable, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        foreach (var (name, value) in environment) start.Environment[name] = value;
        if (socket is not null) start.Environment["VMREPL_SOCKET"] = socket;
        return new RunningCommand(Process.Start(start) ?? throw new InvalidOperationException("vmrepl did not start"), string.Join(' ', arguments));
    }
}
