using System.Diagnostics;

namespace VmRepl.EndToEnd;

/// <summary>Programs from outside: they make and change the disks, and they are the referees, sharing no line with us.</summary>
internal static class ExternalTool
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(120);

    // mke2fs and its kin are often not on a user's path.
    private static readonly string[] Directories = [.. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Where(d => d.Length > 0), "/usr/sbin", "/sbin"];

    /// <summary>Skips the test on another system than Linux, or where a program is not installed. The one place that may skip.</summary>
    public static void Require(params string[] names)
    {
        if (!OperatingSystem.IsLinux()) Assert.Ignore("needs Linux");
        foreach (var name in names)
        {
            if (Find(name) is null) Assert.Ignore($"needs {name}");
        }
    }

    /// <summary>Skips the test where a small volume cannot be mounted.</summary>
    public static void RequireRoot()
    {
        Require("mount", "umount", "id");
        if (Run("id", "-u").Trim() != "0") Assert.Ignore("needs root, to mount a small volume");
    }

    /// <summary>Runs a program that must succeed and returns its standard output.</summary>
    public static string Run(string name, params string[] arguments)
    {
        var (status, output, error) = Try(name, null, arguments);
        Assert.That(status, Is.Zero, $"{name} {string.Join(' ', arguments)}\n{output}\n{error}");
        return output;
    }

    /// <summary>Runs a program with lines on its standard input; it must succeed.</summary>
    public static string Feed(string name, string input, params string[] arguments)
    {
        var (status, output, error) = Try(name, input, arguments);
        Assert.That(status, Is.Zero, $"{name} {string.Join(' ', arguments)}\n{output}\n{error}");
        return output;
    }

    public static (int Status, string Output, string Error) Try(string name, string? input, params string[] arguments)
    {
        using var process = Start(name, arguments);
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

    /// <summary>Starts a program with all three of its streams redirected; it is the caller's to end.</summary>
    public static Process Start(string name, params string[] arguments)
    {
        var start = new ProcessStartInfo(Find(name) ?? throw new InvalidOperationException($"{name} is not installed"), arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        return Process.Start(start) ?? throw new InvalidOperationException($"{name} did not start");
    }

    private static string? Find(string name) => Directories.Select(d => Path.Combine(d, name)).FirstOrDefault(File.Exists);
}
