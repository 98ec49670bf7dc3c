using System.Globalization;
using System.Runtime.InteropServices;

namespace VmRepl.Benchmarks;

/// <summary>What the figures were taken on.</summary>
internal static class Machine
{
    private static readonly string[] Tools = ["qemu-img", "nbdkit", "nbdcopy"];

    public static IEnumerable<string> Describe(string directory)
    {
        yield return string.Create(CultureInfo.InvariantCulture, $"{Environment.ProcessorCount} processors ({FirstOf("/proc/cpuinfo", "model name")}), {GC.GetGCMemoryInfo().TotalAvailableMemoryBytes >> 30} GiB memory");
        yield return $"{RuntimeInformation.OSDescription}, .NET {Environment.Version}";
        yield return $"{directory} on {new DriveInfo(directory).DriveFormat}; load when begun {File.ReadAllText("/proc/loadavg").Split(' ')[0]}";
        foreach (var tool in Tools.Where(CommandLineTool.Exists)) yield return CommandLineTool.Run(tool, "--version").Split('\n')[0];
    }

    private static string FirstOf(string file, string key) =>
        File.ReadLines(file).FirstOrDefault(line => line.StartsWith(key, StringComparison.Ordinal))?.Split(':', 2)[1].Trim() ?? "unknown";
}
