using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace VmRepl.Benchmarks.Nbd;

/// <summary>
/// Our server beside <c>nbdkit file</c> and <c>qemu-nbd</c>, over one raw file, through a Unix socket, with fio's nbd engine (libnbd) as the client of all three, in turn.
/// <c>VmRepl.Benchmarks nbd [DIR [PAIRS [SECONDS [PATTERN]]]]</c>.
/// </summary>
internal static class NbdBench
{
    /// <summary>Of the served file.</summary>
    public const int FileMib = 1024;

    private sealed record Server(string Name, Func<string, string, string[]> Command);

    private static readonly Server[] Servers =
    [
        new("VmRepl", (file, socket) => [.. CommandLineTool.Self, "nbd-serve", file, socket]),
        new("nbdkit", (file, socket) => ["nbdkit", "-f", "-U", socket, "file", file]),
        new("qemu-nbd", (file, socket) => ["qemu-nbd", "-t", "-e", "16", "-f", "raw", "-k", socket, file]),
    ];

    public static int Run(string[] arguments)
    {
        var directory = Path.Combine(arguments.Length > 0 ? arguments[0] : Path.GetTempPath(), $"vmrepl-nbd-{Environment.ProcessId}");
        var pairs = arguments.Length > 1 ? int.Parse(arguments[1], CultureInfo.InvariantCulture) : 5;
        var seconds = arguments.Length > 2 ? int.Parse(arguments[2], CultureInfo.InvariantCulture) : 2;
        Directory.CreateDirectory(directory);
        try
        {
            foreach (var fact in Machine.Describe(directory)) Console.WriteLine($"- {fact}");
            var file = MakeFile(directory, "disk.raw");
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"- a raw file of {FileMib} MiB of data, in the page cache; fio --ioengine=nbd, {seconds} s a run; medians of {pairs} rounds in turn, one before them not counted"));
            Console.WriteLine("\n| load | VmRepl, requests/s | nbdkit | qemu-nbd | VmRepl, of the better | processor time of the server, µs a request: VmRepl | nbdkit | qemu-nbd |\n| --- | --- | --- | --- | --- | --- | --- | --- |");
            foreach (var load in NbdLoad.All.Where(l => arguments.Length < 4 || l.Pattern == arguments[3])) Measure(directory, file, load, pairs, seconds);
            return 0;
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static void Measure(string directory, string file, NbdLoad load, int pairs, int seconds)
    {
        var found = Servers.Select(_ => new List<NbdFigures>()).ToArray();
        for (var round = -1; round < pairs; round++)
        {
            for (var i = 0; i < Servers.Length; i++)
            {
                var figures = MeasureOnce(directory, file, Servers[i], load, seconds);
                if (round >= 0) found[i].Add(figures);
            }
        }

        var ratios = Enumerable.Range(0, pairs).Select(r => found[0][r].RequestsPerSecond / Math.Max(found[1][r].RequestsPerSecond, found[2][r].RequestsPerSecond)).Order().ToArray();
        var rates = found.Select(f => Median(f.Select(x => x.RequestsPerSecond)));
        var costs = found.Select(f => Median(f.Select(x => x.ProcessorUs)));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"| {load} | {string.Join(" | ", rates.Select(r => r.ToString("0", CultureInfo.InvariantCulture)))} | **{ratios[pairs / 2]:0.00}** ({ratios[0]:0.00}–{ratios[^1]:0.00}) | {string.Join(" | ", costs.Select(c => c.ToString("0.0", CultureInfo.InvariantCulture)))} |"));
    }

    private static NbdFigures MeasureOnce(string directory, string file, Server server, NbdLoad load, int seconds)
    {
        var socket = Path.Combine(directory, "s.sock");
        File.Delete(socket);
        var process = CommandLineTool.Start(() => File.Exists(socket), server.Command(file, socket));
        try
        {
            // Not counted: a program of the runtime's is compiled while it runs.
            var uri = $"nbd+unix:///?socket={socket}";
            Fio(uri, load, 1);
            var before = Processor(process);
            var requests = Fio(uri, load, seconds);
            return new NbdFigures(requests / seconds, (Processor(process) - before) / requests);
        }
        finally
        {
            CommandLineTool.Stop(process);
        }
    }

    /// <returns>Requests answered in a second, times the seconds.</returns>
    public static double Fio(string uri, NbdLoad load, int seconds)
    {
        var output = CommandLineTool.Run("fio", "--name=nbd", "--ioengine=nbd", $"--uri={uri}", $"--rw={load.Pattern}", $"--bs={load.BlockSize}", $"--iodepth={load.Depth}",
            $"--runtime={seconds}", "--time_based", "--randseed=1", "--norandommap", "--output-format=json");
        // fio says first where it connects to.
        using var json = JsonDocument.Parse(output[output.IndexOf("{\n", StringComparison.Ordinal)..]);
        var job = json.RootElement.GetProperty("jobs")[0];
        return (job.GetProperty("read").GetProperty("iops").GetDouble() + job.GetProperty("write").GetProperty("iops").GetDouble()) * seconds;
    }

    /// <returns>µs of user and system time so far.</returns>
    public static double Processor(Process process)
    {
        process.Refresh();
        return process.TotalProcessorTime.TotalMicroseconds;
    }

    public static double Median(IEnumerable<double> figures)
    {
        var sorted = figures.Order().ToArray();
        return sorted[sorted.Length / 2];
    }

    /// <summary>A file full of data, in the page cache.</summary>
    public static string MakeFile(string directory, string name)
    {
        var path = Path.Combine(directory, name);
        using var file = File.Create(path);
        var piece = new byte[1 << 20];
        var random = new Random(1);
        for (var i = 0; i < FileMib; i++)
        {
            random.NextBytes(piece);
            file.Write(piece);
        }

        return path;
    }
}
