using System.Globalization;
using VmRepl.Simulation;

// dotnet run -c Release --project tests/VmRepl.Simulation -- --seed N --runs N [--plant NAME]
// Exit status: 0 every seed passed; 1 one failed, or a long run never saw an event that it is there for; 2 usage. A planted bug ends the run at the first seed that finds it, with 1.
ulong seed = 1;
var runs = 100;
var options = args.SelectMany(a => a.StartsWith("--", StringComparison.Ordinal) ? a.Split('=', 2) : [a]).ToList();
for (var i = 0; i + 1 < options.Count; i += 2)
{
    var isKnown = options[i] switch
    {
        "--seed" => ulong.TryParse(options[i + 1], NumberStyles.None, CultureInfo.InvariantCulture, out seed),
        "--runs" => int.TryParse(options[i + 1], NumberStyles.None, CultureInfo.InvariantCulture, out runs) && runs > 0,
        "--plant" => Plant.All.Contains(Plant.Planted = options[i + 1]),
        _ => false,
    };
    if (!isKnown) return Usage();
}

return options.Count % 2 == 0 ? new SimulationRun(seed, runs, Console.Out).Run() : Usage();

static int Usage()
{
    Console.Error.WriteLine($"usage: VmRepl.Simulation --seed N --runs N [--plant {string.Join('|', Plant.All)}]");
    return 2;
}
