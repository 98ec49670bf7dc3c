using System.Diagnostics;

namespace VmRepl.Replication.Tests.Stage;

/// <summary>Referees from outside.</summary>
internal static class ExternalTool
{
    public const string Python = "/usr/bin/python3";

    /// <summary>Skips the test where a program is not installed. The one place that may skip.</summary>
    public static void Require(string name)
    {
        var isThere = Path.IsPathRooted(name) ? File.Exists(name) : (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(d => d.Length > 0 && File.Exists(Path.Combine(d, name)));
        if (!isThere) Assert.Ignore($"needs {name}");
    }

    /// <summary>Runs a program that must succeed and returns its standard output.</summary>
    public static string Run(string name, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(name, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.That(process.ExitCode, Is.Zero, error.GetAwaiter().GetResult());
        return output;
    }
}
