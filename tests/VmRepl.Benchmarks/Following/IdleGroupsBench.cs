using System.Globalization;
using VmRepl.Nbd;
using VmRepl.Nbd.Client;

namespace VmRepl.Benchmarks.Following;

/// <summary>
/// What groups cost that nobody writes to: GROUPS served groups, each with an NBD client that is connected and asks nothing, in one agent. Processor time over some seconds, and memory beyond the same agent without groups.
/// <c>VmRepl.Benchmarks idle-groups VMREPL [DIR [GROUPS [SECONDS]]]</c>; VMREPL is the published command.
/// </summary>
internal static class IdleGroupsBench
{
    private const long DiskBytes = 1L << 30;

    public static int Run(string[] arguments)
    {
        if (arguments.Length == 0)
        {
            Console.Error.WriteLine("idle-groups VMREPL [DIR [GROUPS [SECONDS]]]");
            return 2;
        }

        var directory = Path.Combine(arguments.Length > 1 ? arguments[1] : Path.GetTempPath(), $"vmrepl-idle-{Environment.ProcessId}");
        var groups = arguments.Length > 2 ? int.Parse(arguments[2], CultureInfo.InvariantCulture) : 200;
        var seconds = arguments.Length > 3 ? int.Parse(arguments[3], CultureInfo.InvariantCulture) : 60;
        Directory.CreateDirectory(directory);
        var clients = new List<NbdClient>();
        try
        {
            foreach (var fact in Machine.Describe(directory)) Console.WriteLine($"- {fact}");
            using var pair = new ReplicatingPair(arguments[0], Path.Combine(directory, "pair"));
            Thread.Sleep(2000);
            var empty = pair.AgentMemoryBytes;
            for (var i = 0; i < groups; i++)
            {
                var disk = Path.Combine(directory, $"d{i}.raw");
                using (var file = File.Create(disk)) file.SetLength(DiskBytes);
                pair.Serve($"g{i}", disk, "async");
                clients.Add(NbdClient.Connect(new NbdAddress.Unix(pair.NbdSocket), $"g{i}/disk"));
            }

            // The runtime compiles what ran often, and gives back what it no longer needs.
            Thread.Sleep(10_000);
            var before = pair.ProcessorTime;
            Thread.Sleep(seconds * 1000);
            var after = pair.ProcessorTime;
            var memory = pair.AgentMemoryBytes - empty;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"\n| {groups} idle groups of one disk of {DiskBytes >> 30} GiB, {seconds} s | agent | aim | replica |\n| --- | --- | --- | --- |"));
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| processor, % of one | {100 * (after.Agent - before.Agent).TotalSeconds / seconds:0.00} | 0.1 | {100 * (after.Replica - before.Replica).TotalSeconds / seconds:0.00} |"));
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| memory beyond the agent without groups, MiB a group | {memory / 1048576.0 / groups:0.00} | 4 | |"));
            return 0;
        }
        finally
        {
            foreach (var client in clients) client.Dispose();
            Directory.Delete(directory, recursive: true);
        }
    }
}
