using System.Globalization;
using VmRepl.Simulation;
using VmRepl.Simulation.System;

// dotnet run -c Release --project tests/VmRepl.Simulation -- --seed N --runs N [--plant NAME] [--system [--trace]]
// The journal on a simulated volume; with --system a source, a replica and the network between them.
// Exit status: 0 every seed passed; 1 one failed, or a long run never saw an event that it is there for; 2 usage. A planted bug ends the run at the first seed that finds it, with 1.
ulong seed = 1;
var runs = 100;
var isSystem = args.Contains("--system");
var isTraced = args.Contains("--trace");
var options = args.Where(a => a is not ("--system" or "--trace" or "--worlds")).SelectMany(a => a.StartsWith("--", StringComparison.Ordinal) ? a.Split('=', 2) : [a]).ToList();
for (var i = 0; i + 1 < options.Count; i += 2)
{
    var isKnown = options[i] switch
    {
        "--seed" => ulong.TryParse(options[i + 1], NumberStyles.None, CultureInfo.InvariantCulture, out seed),
        "--runs" => int.TryParse(options[i + 1], NumberStyles.None, CultureInfo.InvariantCulture, out runs) && runs > 0,
        "--plant" => (isSystem ? Plant.OfSystem : Plant.All).Contains(Plant.Planted = options[i + 1]),
        _ => false,
    };
    if (!isKnown) return Usage();
}

if (options.Count % 2 != 0) return Usage();
// What such a run starts for itself.
if (isSystem && args.Contains("--worlds")) return WorldProcess.Serve(Console.In, Console.Out);
return isSystem ? new SystemRun(seed, runs, Console.Out, isTraced).Run() : new SimulationRun(seed, runs, Console.Out).Run();

static int Usage()
{
    Console.Error.WriteLine($"usage: VmRepl.Simulation --seed N --runs N [--plant {string.Join('|', Plant.All)}]\n       VmRepl.Simulation --system --seed N --runs N [--trace] [--plant {string.Join('|', Plant.OfSystem)}]");
    return 2;
}
