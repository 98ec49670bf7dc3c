using System.Diagnostics;

namespace VmRepl.Hypervisors.Qemu;

/// <summary>A QEMU of this host for one architecture, and what it says that it can do.</summary>
/// <param name="Program">Full path of <c>qemu-system-…</c>.</param>
/// <param name="Machines">Names of machine types.</param>
/// <param name="CpuModels">Names of processors.</param>
/// <param name="Devices">Names of devices.</param>
/// <param name="HasSandbox">Knows <c>-sandbox</c>.</param>
/// <param name="HasKvm">KVM really works: see <see cref="FindAsync"/>.</param>
public sealed record QemuInstallation(string Program, string Architecture, IReadOnlySet<string> Machines, IReadOnlySet<string> CpuModels, IReadOnlySet<string> Devices, bool HasSandbox, bool HasKvm)
{
    private const int AnswerLengthMax = 4 << 20;
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(20);
    private static readonly string[] Places = ["/usr/bin", "/usr/local/bin", "/usr/libexec", "/opt/homebrew/bin"];

    /// <summary>
    /// Finds QEMU on the path and in the usual places and asks it. KVM counts as working when the host's processor is of the architecture, shows virtualisation of its own (vmx or svm
    /// in <c>/proc/cpuinfo</c> on x86), and a machine starts with it: a <c>/dev/kvm</c> that merely emulates starts machines too, and then fails to run a kernel.
    /// </summary>
    /// <exception cref="QemuException">There is none, or it does not answer.</exception>
    public static async Task<QemuInstallation> FindAsync(string architecture, CancellationToken cancellation)
    {
        var program = Locate($"qemu-system-{architecture}")
            ?? throw new QemuException($"qemu-system-{architecture} is not installed", architecture == "aarch64" ? "On Debian: apt-get install qemu-system-arm." : "On Debian: apt-get install qemu-system-x86.");
        var machines = await AskAsync(program, ["-machine", "help"], cancellation);
        var models = await AskAsync(program, ["-machine", "none", "-cpu", "help"], cancellation);
        var devices = await AskAsync(program, ["-device", "help"], cancellation);
        var help = await AskAsync(program, ["-help"], cancellation);
        return new QemuInstallation(
            program, architecture, FirstWords(machines, 0), FirstWords(models, 1), Quoted(devices),
            help.Contains("-sandbox", StringComparison.Ordinal), await HasKvmAsync(program, architecture, cancellation));
    }

    private static string? Locate(string name) => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Where(Path.IsPathFullyQualified).Concat(Places)
        .Select(place => Path.Combine(place, name)).FirstOrDefault(File.Exists);

    private static async Task<bool> HasKvmAsync(string program, string architecture, CancellationToken cancellation)
    {
        if (!OperatingSystem.IsLinux() || !File.Exists("/dev/kvm") || !IsOfThisHost(architecture)) return false;
        if (architecture != "aarch64" && !File.ReadLines("/proc/cpuinfo").Any(line => line.StartsWith("flags", StringComparison.Ordinal) && line.Split(' ').Any(flag => flag is "vmx" or "svm"))) return false;
        try
        {
            var (status, _) = await RunAsync(program, ["-accel", "kvm", "-machine", architecture == "aarch64" ? "virt" : "q35", "-cpu", "host", "-nodefaults", "-display", "none", "-S", "-monitor", "stdio"], "quit\n", cancellation);
            return status == 0;
        }
        catch (QemuException)
        {
            return false;
        }
    }

    private static bool IsOfThisHost(string architecture) => System.Runtime.InteropServices.RuntimeInformation.OSArchitecture switch
    {
        System.Runtime.InteropServices.Architecture.X64 => architecture is "x86_64" or "i386",
        System.Runtime.InteropServices.Architecture.Arm64 => architecture == "aarch64",
        _ => false,
    };

    private static async Task<string> AskAsync(string program, string[] arguments, CancellationToken cancellation)
    {
        var (status, answer) = await RunAsync(program, arguments, "", cancellation);
        return status == 0 ? answer : throw new QemuException($"{program} {string.Join(' ', arguments)} ended with status {status}", "Look whether QEMU is installed as a whole.");
    }

    private static async Task<(int Status, string Answer)> RunAsync(string program, string[] arguments, string input, CancellationToken cancellation)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
        try
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            limit.CancelAfter(AnswerLimit);
            var errors = process.StandardError.ReadToEndAsync(limit.Token);
            var answer = process.StandardOutput.ReadToEndAsync(limit.Token);
            await process.StandardInput.WriteAsync(input.AsMemory(), limit.Token);
            process.StandardInput.Close();
            await process.WaitForExitAsync(limit.Token);
            await errors;
            var text = await answer;
            return (process.ExitCode, text.Length <= AnswerLengthMax ? text : text[..AnswerLengthMax]);
        }
        catch (Exception e) when (e is IOException || (e is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            throw new QemuException($"{program} {string.Join(' ', arguments)} does not answer", "Run it by hand and look.", e);
        }
        finally
        {
            if (!process.HasExited) process.Kill();
        }
    }

    // "x86 qemu64 (alias…)" for processors on x86, "  cortex-a57" on ARM, "q35  Standard PC…" for machines: both of the first words are taken where it is not sure which it is.
    private static HashSet<string> FirstWords(string answer, int skipped)
    {
        var words = new HashSet<string>(StringComparer.Ordinal);
        foreach (var line in answer.Split('\n'))
            foreach (var word in line.Split(' ', StringSplitOptions.RemoveEmptyEntries).Take(1 + skipped))
                words.Add(word);
        return words;
    }

    private static HashSet<string> Quoted(string answer) => [.. answer.Split('\n')
        .Where(line => line.StartsWith("name \"", StringComparison.Ordinal)).Select(line => line.Split('"')[1])];
}
