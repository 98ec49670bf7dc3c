using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace VmRepl.Tests;

/// <summary>
/// Programs from outside, compiled into every test project: they make and change disks, and they are the referees, sharing no line with us.
/// The one place that may skip a test, so that what is not tried on a machine is counted and listed.
/// </summary>
internal static class ExternalTool
{
    /// <summary>The system's own Python: Debian's packages are for it, and another may come first on the path.</summary>
    public const string Python = "/usr/bin/python3";

    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    // mke2fs and its kin are often not on a user's path.
    private static readonly string[] Directories = [.. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Where(d => d.Length > 0), "/usr/sbin", "/sbin"];

    [DoesNotReturn]
    public static void Skip(string why)
    {
        Assert.Ignore(why);
        throw new UnreachableException();
    }

    public static bool IsInstalled(string name) => Find(name) is not null;

    /// <summary>Skips the test where a program is not installed.</summary>
    public static void Require(params string[] names)
    {
        foreach (var name in names)
        {
            if (!IsInstalled(name)) Skip($"needs {name}");
        }
    }

    /// <summary>Skips the test on another system: holes, QEMU's locks and Unix permissions are Linux's.</summary>
    public static void RequireLinux()
    {
        if (!OperatingSystem.IsLinux()) Skip("needs Linux");
    }

    /// <summary>Skips the test where a small volume cannot be mounted.</summary>
    public static void RequireRoot()
    {
        RequireLinux();
        Require("mount", "umount", "id");
        if (Run("id", "-u").Trim() != "0") Skip("needs root, to mount a small volume");
    }

    /// <summary>Skips the test where the system's Python has not got a module.</summary>
    public static void RequireModule(string module)
    {
        Require(Python);
        if (Try(Python, "-c", $"import {module}").Status != 0) Skip($"needs the Python module {module}");
    }

    /// <summary>Skips the test where a directory's volume gives no leases of files, by another program's word than ours.</summary>
    public static void RequireLeases(string directory)
    {
        RequireLinux();
        Require(Python);
        const string attempt = """
            import fcntl, os, sys, tempfile
            file, name = tempfile.mkstemp(dir=sys.argv[1])
            os.close(file)
            try: fcntl.fcntl(os.open(name, os.O_RDONLY), fcntl.F_SETLEASE, fcntl.F_RDLCK)
            finally: os.unlink(name)
            """;
        if (Try(Python, "-c", attempt, directory).Status != 0) Skip($"needs a volume with leases, which that of {directory} has not");
    }

    /// <summary>Runs a program that must succeed and returns its standard output.</summary>
    /// <exception cref="InvalidOperationException">It did not end with 0.</exception>
    public static string Run(string name, params string[] arguments) => Encoding.UTF8.GetString(Pipe(name, [], arguments));

    /// <summary>Runs a program with lines on its standard input; it must succeed.</summary>
    public static string Feed(string name, string input, params string[] arguments) => Encoding.UTF8.GetString(Pipe(name, Encoding.UTF8.GetBytes(input), arguments));

    /// <summary>Runs a program with bytes on its standard input and returns the bytes of its standard output; it must succeed.</summary>
    public static byte[] Pipe(string name, byte[] input, string[] arguments)
    {
        var (status, output, error) = Execute(name, input, arguments, []);
        return status == 0 ? output : throw new InvalidOperationException($"{name} {string.Join(' ', arguments)} ended with {status}: {error}{Encoding.UTF8.GetString(output)}");
    }

    /// <summary>Runs a program and returns its exit status, standard output and standard error.</summary>
    public static (int Status, string Output, string Error) Try(string name, params string[] arguments) => TryWith([], "", name, arguments);

    /// <summary>As <see cref="Try"/>, with more variables in its environment and lines on its standard input.</summary>
    public static (int Status, string Output, string Error) TryWith(Dictionary<string, string> environment, string input, string name, params string[] arguments)
    {
        var (status, output, error) = Execute(name, Encoding.UTF8.GetBytes(input), arguments, environment);
        return (status, Encoding.UTF8.GetString(output), error);
    }

    /// <summary>Starts a program with all three of its streams redirected; it is the caller's to end.</summary>
    public static Process Start(string name, params string[] arguments) => Start(name, arguments, []);

    private static Process Start(string name, string[] arguments, Dictionary<string, string> environment)
    {
        var start = new ProcessStartInfo(Find(name) ?? throw new InvalidOperationException($"{name} is not installed"), arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        foreach (var (key, value) in environment) start.Environment[key] = value;
        return Process.Start(start) ?? throw new InvalidOperationException($"{name} did not start");
    }

    private static (int Status, byte[] Output, string Error) Execute(string name, byte[] input, string[] arguments, Dictionary<string, string> environment)
    {
        using var process = Start(name, arguments, environment);
        using var output = new MemoryStream();
        var error = process.StandardError.ReadToEndAsync();
        var outputRead = process.StandardOutput.BaseStream.CopyToAsync(output);
        var fed = Task.Run(() => FeedInto(process, input));
        if (!process.WaitForExit(Limit))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{name} {string.Join(' ', arguments)} took more than {Limit.TotalSeconds} s");
        }

        Task.WaitAll(outputRead, error, fed);
        return (process.ExitCode, output.ToArray(), error.Result);
    }

    private static void FeedInto(Process process, byte[] input)
    {
        try
        {
            process.StandardInput.BaseStream.Write(input);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended without reading all of it; its exit status says what the test wants to know.
        }
    }

    private static string? Find(string name) => Path.IsPathRooted(name) ? (File.Exists(name) ? name : null) : Directories.Select(d => Path.Combine(d, name)).FirstOrDefault(File.Exists);
}
