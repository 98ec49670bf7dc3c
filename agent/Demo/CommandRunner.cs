using System.Diagnostics;
using System.Reflection;
using VmRepl.Agent.Output;

namespace VmRepl.Agent.Demo;

/// <summary>Runs this program's own commands as processes of their own, as an administrator would.</summary>
internal sealed class CommandRunner(CommandOutput output, string socket) : IDisposable
{
    private readonly List<Process> running = [];

    /// <summary>Runs a command to its end and shows it with what it printed.</summary>
    /// <returns>Its exit status and standard error.</returns>
    public async Task<(int ExitCode, string Output, string Error)> RunAsync(CancellationToken cancellation, params string[] arguments)
    {
        output.Line();
        output.Line("$ vmrepl " + string.Join(' ', arguments.Select(Shorten)));
        using var process = Process.Start(StartInfo(arguments))!;
        var text = process.StandardOutput.ReadToEndAsync(cancellation);
        var error = process.StandardError.ReadToEndAsync(cancellation);
        await process.WaitForExitAsync(cancellation);
        foreach (var line in ((await text) + (await error)).TrimEnd().Split('\n')) output.Line("  " + line.TrimEnd('\r'));
        return (process.ExitCode, await text, await error);
    }

    /// <summary>Starts a command that goes on; its output goes to <paramref name="logFile"/>.</summary>
    public Process Start(string logFile, params string[] arguments)
    {
        output.Line("$ vmrepl " + string.Join(' ', arguments.Select(Shorten)) + " &");
        var process = Process.Start(StartInfo(arguments))!;
        running.Add(process);
        var log = TextWriter.Synchronized(new StreamWriter(logFile) { AutoFlush = true });
        process.OutputDataReceived += (_, e) => log.WriteLine(e.Data);
        process.ErrorDataReceived += (_, e) => log.WriteLine(e.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;
    }

    public void Dispose()
    {
        foreach (var process in running)
        {
            if (!process.HasExited) process.Kill();
            process.WaitForExit();
            process.Dispose();
        }
    }

    /// <summary>Paths of the demo's own directory are long and say nothing.</summary>
    private string Shorten(string argument) => argument.Replace(Path.GetDirectoryName(socket)! + Path.DirectorySeparatorChar, "", StringComparison.Ordinal);

    private ProcessStartInfo StartInfo(string[] arguments)
    {
        var self = Environment.ProcessPath!;
        // Started as "dotnet vmrepl.dll", the process is dotnet's.
        var viaHost = Path.GetFileNameWithoutExtension(self) == "dotnet";
        var start = new ProcessStartInfo(self) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        if (viaHost) start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, Assembly.GetExecutingAssembly().GetName().Name + ".dll"));
        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        start.Environment["VMREPL_SOCKET"] = socket;
        return start;
    }
}
