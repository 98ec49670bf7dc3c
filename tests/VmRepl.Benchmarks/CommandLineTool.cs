using System.Diagnostics;

namespace VmRepl.Benchmarks;

/// <summary>Other programs, run as processes.</summary>
internal static class CommandLineTool
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(30);

    /// <summary>This program, however it was started.</summary>
    public static string[] Self { get; } = Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet"
        ? [Environment.ProcessPath!, typeof(CommandLineTool).Assembly.Location]
        : [Environment.ProcessPath!];

    /// <summary>Whether the command is on the path.</summary>
    public static bool Exists(string command) => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Any(directory => directory.Length > 0 && File.Exists(Path.Combine(directory, command)));

    /// <summary>Runs a command to its end.</summary>
    /// <returns>Its standard output.</returns>
    /// <exception cref="BenchException">It failed.</exception>
    public static string Run(params string[] command)
    {
        using var process = Process.Start(StartInfo(command))!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? output : throw new BenchException($"{Shown(command)} ended with {process.ExitCode}: {error.Result.Trim()}");
    }

    /// <summary>Starts a command that goes on, and waits until it is ready. What it prints is thrown away.</summary>
    /// <exception cref="BenchException">It ended at once, or was not ready in time.</exception>
    public static Process Start(Func<bool> isReady, params string[] command)
    {
        var process = Process.Start(StartInfo(command))!;
        process.OutputDataReceived += (_, _) => { };
        process.ErrorDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        for (var waited = Stopwatch.StartNew(); !isReady(); Thread.Sleep(10))
        {
            if (!process.HasExited && waited.Elapsed < StartLimit) continue;
            Stop(process);
            throw new BenchException($"{Shown(command)} did not come up");
        }

        return process;
    }

    public static void Stop(Process? process)
    {
        if (process is null) return;
        if (!process.HasExited) process.Kill();
        process.WaitForExit();
        process.Dispose();
    }

    /// <summary>The command as one would type it.</summary>
    public static string Shown(IEnumerable<string> command) => string.Join(' ', command);

    private static ProcessStartInfo StartInfo(string[] command) =>
        new(command[0], command[1..]) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
}
