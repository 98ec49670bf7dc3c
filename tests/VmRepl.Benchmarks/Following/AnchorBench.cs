using System.Globalization;

namespace VmRepl.Benchmarks.Following;

/// <summary>
/// What a guest feels of anchors (mechanism 5): 4 KiB random writes through the splitter at a steady rate, fio's 99th percentile with an anchor about always under way and, in turn, with none.
/// <c>VmRepl.Benchmarks anchors VMREPL [DIR [PAIRS [SECONDS]]]</c>; VMREPL is the published command.
/// </summary>
internal static class AnchorBench
{
    private const string Group = "guest";
    private const int DiskMib = 256;

    public static int Run(string[] arguments)
    {
        var directory = Path.Combine(arguments.Length > 1 ? arguments[1] : Path.GetTempPath(), $"vmrepl-anchors-{Environment.ProcessId}");
        var pairs = arguments.Length > 2 ? int.Parse(arguments[2], CultureInfo.InvariantCulture) : 7;
        var seconds = arguments.Length > 3 ? int.Parse(arguments[3], CultureInfo.InvariantCulture) : 8;
        Directory.CreateDirectory(directory);
        try
        {
            foreach (var fact in Machine.Describe(directory)) Console.WriteLine($"- {fact}");
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"- {PacedWrites.Description} for {seconds} s a run, served raw disks of {DiskMib} MiB; an anchor every 50 ms, and none; {pairs} pairs in turn, one before them not counted"));
            Measure(directory, arguments[0], pairs, seconds);
            return 0;
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static void Measure(string directory, string vmrepl, int pairs, int seconds)
    {
        using var often = Make("often", "00:00:00.05");
        using var never = Make("never", "23:00:00");
        List<double> with = [], without = [];
        for (var round = -1; round < pairs; round++)
        {
            // Each is first in every other round.
            foreach (var (pair, found) in round % 2 == 0 ? new[] { (often, with), (never, without) } : [(never, without), (often, with)])
            {
                var percentile = PacedWrites.Run(pair.NbdUri(Group), seconds);
                pair.Sync(Group);
                if (round >= 0) found.Add(percentile);
            }
        }

        var ratios = without.Zip(with, (o, w) => w / o).Order().ToArray();
        Console.WriteLine("\n| 99th percentile, µs: no anchors | anchors | ratio, median | least | most |\n| --- | --- | --- | --- | --- |");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {without.Order().ElementAt(pairs / 2):0} | {with.Order().ElementAt(pairs / 2):0} | **{ratios[pairs / 2]:0.00}** | {ratios[0]:0.00} | {ratios[^1]:0.00} |"));

        ReplicatingPair Make(string name, string every)
        {
            var disk = Path.Combine(directory, $"{name}.raw");
            using (var file = File.Create(disk)) file.SetLength((long)DiskMib << 20);
            var pair = new ReplicatingPair(vmrepl, Path.Combine(directory, name), $$$"""{"Follow":{"AnchorEvery":"{{{every}}}"}}""");
            pair.Serve(Group, disk, "async");
            return pair;
        }
    }
}
