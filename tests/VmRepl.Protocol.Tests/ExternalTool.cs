using System.Diagnostics;

namespace VmRepl.Protocol.Tests;

/// <summary>A program that other people wrote, asked to judge what we wrote. The one place where a test is skipped for want of it.</summary>
internal static class ExternalTool
{
    public static void Require(string program, params string[] probe)
    {
        try
        {
            Run(program, probe.Length == 0 ? ["--version"] : probe, []);
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

    /// <summary>Runs it to its end and returns what it wrote on standard output.</summary>
    /// <exception cref="InvalidOperationException">It did not end with 0.</exception>
    public static byte[] Run(string program, string[] arguments, byte[] input)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var feeding = Task.Run(() =>
        {
            process.StandardInput.BaseStream.Write(input);
            process.StandardInput.Close();
        });
        using var output = new MemoryStream();
        process.StandardOutput.BaseStream.CopyTo(output);
        process.WaitForExit();
        if (process.ExitCode != 0) throw new InvalidOperationException($"{program} ended with {process.ExitCode}: {errors.Result}");
        feeding.Wait();
        return output.ToArray();
    }
}
