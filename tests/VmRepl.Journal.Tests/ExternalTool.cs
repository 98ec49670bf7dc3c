using System.Diagnostics;

namespace VmRepl.Journal.Tests;

/// <summary>Programs that judge our work and are no part of it.</summary>
internal static class ExternalTool
{
    /// <summary>Skips the test where <paramref name="program"/>, called with <paramref name="probe"/>, cannot be run.</summary>
    public static void Require(string program, params string[] probe)
    {
        try
        {
            if (Run(program, probe).Status == 0) return;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            // Not there at all: the same skip.
        }

        Assert.Ignore($"needs {program} {string.Join(' ', probe)}");
    }

    public static (int Status, string Output, string Error) Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.Result);
    }
}
