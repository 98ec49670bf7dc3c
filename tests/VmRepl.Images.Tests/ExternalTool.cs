using System.Diagnostics;

namespace VmRepl.Images.Tests;

/// <summary>Programs that judge what is written here. A test that needs one which is not installed is skipped, and says so.</summary>
internal static class ExternalTool
{
    private const int TimeoutMs = 60_000;

    /// <summary>Skips the test unless <paramref name="name"/> is on the path.</summary>
    public static void Require(string name)
    {
        if (!IsInstalled(name)) Assert.Ignore($"needs {name}");
    }

    public static bool IsInstalled(string name) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(d => File.Exists(Path.Combine(d, name)));

    /// <summary>Runs it and gives its exit status and what it printed.</summary>
    public static (int Status, string Output) Run(string name, IEnumerable<string> arguments, string? input = null)
    {
        using var process = Process.Start(new ProcessStartInfo(name, arguments)
        {
            RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true,
        })!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEndAsync();
        if (input is not null) process.StandardInput.Write(input);
        process.StandardInput.Close();
        if (!process.WaitForExit(TimeoutMs))
        {
            process.Kill();
            throw new TimeoutException($"{name} did not end within {TimeoutMs} ms");
        }

        return (process.ExitCode, output.GetAwaiter().GetResult() + error.GetAwaiter().GetResult());
    }
}
