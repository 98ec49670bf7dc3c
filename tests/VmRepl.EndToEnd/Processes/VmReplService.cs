using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace VmRepl.EndToEnd.Processes;

/// <summary>A long-running <c>vmrepl agent</c> or <c>vmrepl replica</c>. Killed when it is disposed of.</summary>
internal sealed partial class VmReplService : IDisposable
{
    private const int Terminate = 15, Continue = 18, Halt = 19;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private readonly Process process;
    private readonly ConcurrentQueue<string> lines = new();
    private bool disposed;

    public VmReplService(IReadOnlyDictionary<string, string> environment, params string[] arguments)
    {
        var start = new ProcessStartInfo(VmReplCommand.Executable, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        foreach (var (name, value) in environment) start.Environment[name] = value;
        process = Process.Start(start) ?? throw new InvalidOperationException("vmrepl did not start");
        process.OutputDataReceived += (_, line) => lines.Enqueue(line.Data ?? "");
        process.ErrorDataReceived += (_, line) => lines.Enqueue(line.Data ?? "");
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    public bool HasExited => process.HasExited;

    /// <summary>By the system.</summary>
    public int Id => process.Id;

    /// <summary>What it has logged.</summary>
    public string Log => string.Join('\n', lines);

    /// <summary>kill -9, and waits until it is gone.</summary>
    public void Kill()
    {
        process.Kill();
        process.WaitForExit();
    }

    /// <summary>Physical memory that it has, bytes.</summary>
    public long ResidentBytes
    {
        get
        {
            process.Refresh();
            return process.WorkingSet64;
        }
    }

    /// <summary>Stands still as it is, its connections open, until <see cref="GoOn"/>.</summary>
    public void Stall() => Assert.That(Signal(process.Id, Halt), Is.Zero);

    public void GoOn() => Assert.That(Signal(process.Id, Continue), Is.Zero);

    /// <summary>SIGTERM; returns the exit status.</summary>
    public int Stop()
    {
        Assert.That(Signal(process.Id, Terminate), Is.Zero);
        return WaitForExit();
    }

    /// <summary>Waits for its end; returns the exit status.</summary>
    public int WaitForExit()
    {
        if (!process.WaitForExit(Limit)) throw new TimeoutException($"it did not end within {Limit.TotalSeconds} s\n{Log}");
        return process.ExitCode;
    }

    public void Dispose()
    {
        if (disposed) return;
        disposed = true;
        if (!process.HasExited) Kill();
        process.Dispose();
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Signal(int process, int signal);
}
