using System.Diagnostics;

namespace VmRepl.EndToEnd.Processes;

/// <summary>A <c>vmrepl</c> command that has not ended yet.</summary>
internal sealed class RunningCommand(Process process, string command) : IDisposable
{
    private readonly Task<string> output = process.StandardOutput.ReadToEndAsync();
    private readonly Task<string> error = process.StandardError.ReadToEndAsync();

    public CommandResult Wait(TimeSpan limit)
    {
        if (process.WaitForExit(limit)) return new CommandResult(command, process.ExitCode, output.GetAwaiter().GetResult(), error.GetAwaiter().GetResult());
        process.Kill(entireProcessTree: true);
        process.WaitForExit();
        throw new TimeoutException($"vmrepl {command} took more than {limit.TotalSeconds} s\n{output.GetAwaiter().GetResult()}\n{error.GetAwaiter().GetResult()}");
    }

    /// <summary>kill -9 of the command alone, and waits until it is gone.</summary>
    public void Kill()
    {
        process.Kill();
        process.WaitForExit();
    }

    public void Dispose()
    {
        if (!process.HasExited) process.Kill(entireProcessTree: true);
        process.Dispose();
    }
}
