using System.Diagnostics;

namespace VmRepl.Nbd.Tests;

/// <summary>A program that other people wrote, asked to judge what we wrote. The one place where a test is skipped for want of it.</summary>
internal static class ExternalTool
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    public static void Require(string program, params string[] probe)
    {
        try
        {
            Run(program, probe.Length == 0 ? ["--version"] : probe);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Ignore($"needs {program}");
        }
        catch (InvalidOperationException fault)
        {
            Assert.Ignore($"needs {program}: {fault.Message}");
        }
    }

    /// <summary>The system's own Python: Debian's packages are for it, and another may come first on the path.</summary>
    public const string Python = "/usr/bin/python3";

    /// <summary>libnbd's own binding.</summary>
    public static void RequireLibnbd() => Require(Python, "-c", "import nbd");

    /// <summary>Runs it to its end and returns what it wrote on standard output.</summary>
    /// <exception cref="InvalidOperationException">It did not end with 0.</exception>
    public static string Run(string program, params string[] arguments)
    {
        var (exitCode, output, errors) = TryRun(program, arguments);
        return exitCode == 0 ? output : throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with {exitCode}: {errors}{output}");
    }

    public static (int ExitCode, string Output, string Errors) TryRun(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        if (!process.WaitForExit(Limit))
        {
            process.Kill();
            throw new TimeoutException($"{program} {string.Join(' ', arguments)} did not end");
        }

        return (process.ExitCode, output.Result, errors.Result);
    }
}
