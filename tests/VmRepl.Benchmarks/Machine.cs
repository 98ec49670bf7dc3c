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

    /// <summary>
    /// Touches most of the memory that is free, once. A virtual machine gets its memory from the host page by page at the first touch, which costs several times what the copy into it does;
    /// whoever uses more page cache would pay for more of it, once, and never again.
    /// </summary>
    /// <returns>Bytes touched.</returns>
    public static unsafe long TouchMemory()
    {
        const long chunk = 256L << 20;
        const int page = 4096;
        var free = long.Parse(File.ReadLines("/proc/meminfo").First(l => l.StartsWith("MemFree:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) << 10;
        var chunks = new List<nint>();
        for (var left = free / 10 * 9; left >= chunk; left -= chunk)
        {
            var memory = (byte*)NativeMemory.Alloc((nuint)chunk);
            for (long at = 0; at < chunk; at += page) memory[at] = 1;
            chunks.Add((nint)memory);
        }

        foreach (var memory in chunks) NativeMemory.Free((void*)memory);
        return chunks.Count * chunk;
    }

    private static string FirstOf(string file, string key) =>
        File.ReadLines(file).FirstOrDefault(line => line.StartsWith(key, StringComparison.Ordinal))?.Split(':', 2)[1].Trim() ?? "unknown";
}
