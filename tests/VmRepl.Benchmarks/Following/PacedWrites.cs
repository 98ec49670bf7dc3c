using System.Globalization;
using System.Text.Json;

namespace VmRepl.Benchmarks.Following;

/// <summary>A guest that writes at a steady rate, below what the disk could take: fio's nbd engine.</summary>
internal static class PacedWrites
{
    private const int WritesPerSecond = 1000, Depth = 4;

    public static string Description => string.Create(CultureInfo.InvariantCulture, $"fio randwrite 4k, depth {Depth}, {WritesPerSecond} writes a second");

    /// <returns>The 99th percentile, µs.</returns>
    public static double Run(string uri, int seconds)
    {
        var output = CommandLineTool.Run("fio", "--name=guest", "--ioengine=nbd", $"--uri={uri}", "--rw=randwrite", "--bs=4k", $"--iodepth={Depth}", $"--rate_iops={WritesPerSecond}",
            $"--runtime={seconds}", "--time_based", "--norandommap", "--output-format=json");
        using var json = JsonDocument.Parse(output[output.IndexOf("{\n", StringComparison.Ordinal)..]);
        return json.RootElement.GetProperty("jobs")[0].GetProperty("write").GetProperty("clat_ns").GetProperty("percentile").GetProperty("99.000000").GetDouble() / 1000;
    }
}
