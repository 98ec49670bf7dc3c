using System.Diagnostics;

namespace VmRepl.Agent.Tests;

/// <summary>Programs that the tests use as referees. The one place that may skip a test.</summary>
internal static class ExternalTool
{
    private const int TimeoutMs = 60_000;

    /// <summary>Skips the test where the program is not installed.</summary>
    public static void Require(string name)
    {
        if (!(Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(d => d.Length > 0 && File.Exists(Path.Combine(d, name))))
            Assert.Ignore($"needs {name}");
    }

    /// <summary>The system's own Python: Debian's packages are for it, and another may come first on the path.</summary>
    public const string Python = "/usr/bin/python3";

    /// <summary>Skips the test where libnbd's binding is not there.</summary>
    public static void RequireLibnbd()
    {
        if (!File.Exists(Python) || Try(Python, ["-c", "import nbd"]).Status != 0) Assert.Ignore("needs python3-libnbd");
    }

    /// <summary>Runs a program that must succeed and returns its standard output.</summary>
    public static string Run(string name, params string[] arguments)
    {
        var (status, output, error) = Try(name, arguments);
        Assert.That(status, Is.Zero, $"{name} {string.Join(' ', arguments)}\n{output}\n{error}");
        return output;
    }

    /// <summary>Runs a program and returns its exit status, standard output and standard error.</summary>
    public static (int Status, string Output, string Error) Try(string name, string[] arguments, Dictionary<string, string>? environment = null)
    {
        var start = new ProcessStartInfo(name, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (key, value) in environment ?? []) start.Environment[key] = value;
        using var process = Process.Start(start) ?? throw new InvalidOperationException($"{name} did not start");
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEndAsync();
        if (!process.WaitForExit(TimeoutMs))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{name} took more than {TimeoutMs} ms");
        }

        return (process.ExitCode, output.GetAwaiter().GetResult(), error.GetAwaiter().GetResult());
    }
}
