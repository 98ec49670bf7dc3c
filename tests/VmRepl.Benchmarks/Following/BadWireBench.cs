using System.Globalization;

namespace VmRepl.Benchmarks.Following;

/// <summary>
/// What a guest of an async group feels of a bad wire: 4 KiB random writes through the splitter at a fixed rate, fio's 99th percentile over a plain relay and, in turn, over one that delays, jitters and freezes.
/// <c>VmRepl.Benchmarks bad-wire VMREPL [DIR [PAIRS [SECONDS]]]</c>; VMREPL is the published command.
/// </summary>
internal static class BadWireBench
{
    private const string Group = "guest";
    private const int DiskMib = 256;
    private static readonly TimeSpan Delay = TimeSpan.FromMilliseconds(20), Jitter = TimeSpan.FromMilliseconds(20), Frozen = TimeSpan.FromSeconds(1);

    public static int Run(string[] arguments)
    {
        var directory = Path.Combine(arguments.Length > 1 ? arguments[1] : Path.GetTempPath(), $"vmrepl-bad-wire-{Environment.ProcessId}");
        var pairs = arguments.Length > 2 ? int.Parse(arguments[2], CultureInfo.InvariantCulture) : 7;
        var seconds = arguments.Length > 3 ? int.Parse(arguments[3], CultureInfo.InvariantCulture) : 8;
        Directory.CreateDirectory(directory);
        try
        {
            foreach (var fact in Machine.Describe(directory)) Console.WriteLine($"- {fact}");
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"- {PacedWrites.Description} for {seconds} s a run, a served raw disk of {DiskMib} MiB; the bad wire: {Delay.TotalMilliseconds:0} ms each way and up to {Jitter.TotalMilliseconds:0} ms more, frozen for {Frozen.TotalSeconds:0} s in the middle; {pairs} pairs in turn, one before them not counted"));
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
        var disk = Path.Combine(directory, "disk.raw");
        using (var file = File.Create(disk)) file.SetLength((long)DiskMib << 20);
        using var pair = new ReplicatingPair(vmrepl, Path.Combine(directory, "pair"));
        using var relay = new Relay(pair.Port);
        pair.Serve(Group, disk, "async", relay.Address);
        List<double> plain = [], bad = [];
        for (var round = -1; round < pairs; round++)
        {
            // Whoever is second finds the cache warmer: each is first in every other round.
            foreach (var isBad in round % 2 == 0 ? new[] { false, true } : [true, false])
            {
                (relay.Delay, relay.Jitter) = isBad ? (Delay, Jitter) : (TimeSpan.Zero, TimeSpan.Zero);
                using var freezing = isBad ? new Timer(_ => relay.Freeze(), null, TimeSpan.FromSeconds(seconds / 2.0), Timeout.InfiniteTimeSpan) : null;
                using var thawing = isBad ? new Timer(_ => relay.Thaw(), null, TimeSpan.FromSeconds(seconds / 2.0) + Frozen, Timeout.InfiniteTimeSpan) : null;
                var found = PacedWrites.Run(pair.NbdUri(Group), seconds);
                relay.Thaw();
                relay.Delay = relay.Jitter = TimeSpan.Zero;
                pair.Sync(Group);
                if (round >= 0) (isBad ? bad : plain).Add(found);
            }
        }

        var ratios = plain.Zip(bad, (p, b) => b / p).Order().ToArray();
        Console.WriteLine("\n| 99th percentile, µs: plain wire | bad wire | ratio, median | least | most |\n| --- | --- | --- | --- | --- |");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {plain.Order().ElementAt(pairs / 2):0} | {bad.Order().ElementAt(pairs / 2):0} | **{ratios[pairs / 2]:0.00}** | {ratios[0]:0.00} | {ratios[^1]:0.00} |"));
    }
}
