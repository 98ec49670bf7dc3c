using System.Globalization;
using VmRepl.Benchmarks.Nbd;

namespace VmRepl.Benchmarks.Following;

/// <summary>
/// What the splitter costs: 4 KiB random writes at depth 16 to a disk that the agent serves, async and sync, replica on loopback, beside the same NBD server without a splitter and beside <c>nbdkit file</c>. One client (fio's nbd engine), one raw file of
/// 1 GiB each, in turn. <c>VmRepl.Benchmarks splitter VMREPL [DIR [PAIRS [SECONDS]]]</c>; VMREPL is the published command.
/// </summary>
internal static class SplitterBench
{
    private static readonly NbdLoad Load = new("randwrite", "4k", 16);

    public static int Run(string[] arguments)
    {
        if (arguments.Length == 0)
        {
            Console.Error.WriteLine("splitter VMREPL [DIR [PAIRS [SECONDS]]]");
            return 2;
        }

        var directory = Path.Combine(arguments.Length > 1 ? arguments[1] : Path.GetTempPath(), $"vmrepl-splitter-{Environment.ProcessId}");
        var pairs = arguments.Length > 2 ? int.Parse(arguments[2], CultureInfo.InvariantCulture) : 5;
        var seconds = arguments.Length > 3 ? int.Parse(arguments[3], CultureInfo.InvariantCulture) : 3;
        Directory.CreateDirectory(directory);
        try
        {
            foreach (var fact in Machine.Describe(directory)) Console.WriteLine($"- {fact}");
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"- {Load}; fio --ioengine=nbd, {seconds} s a run after 1 s that is not counted; raw files of {NbdBench.FileMib} MiB of data; medians of {pairs} rounds in turn, one before them not counted"));
            Measure(arguments[0], directory, pairs, seconds);
            return 0;
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static void Measure(string vmrepl, string directory, int pairs, int seconds)
    {
        using var pair = new ReplicatingPair(vmrepl, Path.Combine(directory, "pair"));
        foreach (var mode in (string[])["async", "sync"]) pair.Serve(mode, NbdBench.MakeFile(directory, $"{mode}.raw"), mode);
        var plain = NbdBench.MakeFile(directory, "plain.raw");
        var socket = Path.Combine(directory, "plain.sock");
        (string Name, Func<Writes> Run)[] contestants =
        [
            ("splitter, async", () => Served("async")),
            ("splitter, sync", () => Served("sync")),
            ("without a splitter", () => Alone([.. CommandLineTool.Self, "nbd-serve", plain, socket])),
            ("nbdkit file", () => Alone(["nbdkit", "-f", "-U", socket, "file", plain])),
        ];
        var found = contestants.Select(_ => new List<Writes>()).ToArray();
        for (var round = -1; round < pairs; round++)
        {
            for (var i = 0; i < contestants.Length; i++)
            {
                var figures = contestants[i].Run();
                if (round >= 0) found[i].Add(figures);
            }
        }

        Console.WriteLine("\n| | writes/s | of the server without a splitter | of nbdkit | processor time of the server, µs a write | of the replica |\n| --- | --- | --- | --- | --- | --- |");
        for (var i = 0; i < contestants.Length; i++)
        {
            var (rate, cost, replica) = (NbdBench.Median(found[i].Select(f => f.PerSecond)), NbdBench.Median(found[i].Select(f => f.ServerUs)), NbdBench.Median(found[i].Select(f => f.ReplicaUs)));
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {contestants[i].Name} | {rate:0} | {Ratio(found[i], found[2])} | {Ratio(found[i], found[3])} | {cost:0.0} | {replica:0.0} |"));
        }

        Writes Served(string group)
        {
            var uri = pair.NbdUri(group);
            NbdBench.Fio(uri, Load, 1);
            var (agent, replica) = pair.ProcessorTime;
            var writes = NbdBench.Fio(uri, Load, seconds);
            // What the run left in the buffer belongs to it.
            pair.Sync(group);
            pair.AwaitLevel(group);
            var (agentAfter, replicaAfter) = pair.ProcessorTime;
            return new Writes(writes / seconds, (agentAfter - agent).TotalMicroseconds / writes, (replicaAfter - replica).TotalMicroseconds / writes);
        }

        Writes Alone(string[] command)
        {
            File.Delete(socket);
            var process = CommandLineTool.Start(() => File.Exists(socket), command);
            try
            {
                var uri = $"nbd+unix:///?socket={socket}";
                NbdBench.Fio(uri, Load, 1);
                var before = NbdBench.Processor(process);
                var writes = NbdBench.Fio(uri, Load, seconds);
                return new Writes(writes / seconds, (NbdBench.Processor(process) - before) / writes, 0);
            }
            finally
            {
                CommandLineTool.Stop(process);
            }
        }
    }

    private static string Ratio(List<Writes> ours, List<Writes> theirs)
    {
        var ratios = ours.Zip(theirs, (a, b) => a.PerSecond / b.PerSecond).Order().ToArray();
        return string.Create(CultureInfo.InvariantCulture, $"**{ratios[ratios.Length / 2]:0.00}** ({ratios[0]:0.00}–{ratios[^1]:0.00})");
    }

    /// <param name="ServerUs">Processor time of the server for a write, user and system, µs; of a served disk the stream to the replica included.</param>
    /// <param name="ReplicaUs">Of the replica, the same.</param>
    private sealed record Writes(double PerSecond, double ServerUs, double ReplicaUs);
}
