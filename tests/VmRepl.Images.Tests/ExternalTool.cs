using System.Diagnostics;

namespace VmRepl.Images.Tests;

/// <summary>Referees from outside: programs that read and write the same formats and share no line with us.</summary>
internal static class ExternalTool
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <summary>Skips the test where a program is not installed. The one place that may skip.</summary>
    public static void Require(params string[] names)
    {
        foreach (var name in names)
        {
            if (!Exists(name)) Assert.Ignore($"needs {name}");
        }
    }

    /// <summary>Runs a program that must succeed and returns its standard output.</summary>
    public static string Run(string name, params string[] arguments)
    {
        var (status, output, error) = Try(name, arguments);
        Assert.That(status, Is.Zero, $"{name} {string.Join(' ', arguments)}\n{output}\n{error}");
        return output;
    }

    public static bool IsInstalled(string name) => Exists(name);

    /// <summary>Runs a program with something on its standard input; what it printed on both outputs comes back as one text.</summary>
    public static (int Status, string Output) Feed(string name, IEnumerable<string> arguments, string? input = null)
    {
        var (status, output, error) = Try(name, input, [.. arguments]);
        return (status, output + error);
    }

    /// <summary>Runs a program and returns its exit status and output.</summary>
    public static (int Status, string Output, string Error) Try(string name, params string[] arguments) => Try(name, null, arguments);

    private static (int Status, string Output, string Error) Try(string name, string? input, string[] arguments)
    {
        var start = new ProcessStartInfo(name, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        using var process = Process.Start(start) ?? throw new InvalidOperationException($"{name} did not start");
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEndAsync();
        if (input is not null) process.StandardInput.Write(input);
        process.StandardInput.Close();
        if (!process.WaitForExit(Limit))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{name} took more than {Limit.TotalSeconds} s");
        }

        return (process.ExitCode, output.GetAwaiter().GetResult(), error.GetAwaiter().GetResult());
    }

    private static bool Exists(string name) =>
        Path.IsPathRooted(name)
            ? File.Exists(name)
            : (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(d => d.Length > 0 && File.Exists(Path.Combine(d, name)));
}
