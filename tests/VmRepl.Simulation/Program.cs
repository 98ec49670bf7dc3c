using System.Globalization;
using VmRepl.Simulation;
using VmRepl.Simulation.System;

// dotnet run -c Release --project tests/VmRepl.Simulation -- --seed N --runs N [--plant NAME|each] [--system [--trace]]
// The journal on a simulated volume; with --system a source, a replica and the network between them.
// Exit status: 0 every seed passed; 1 one failed, or a long run never saw an event that it is there for; 2 usage. A planted bug ends the run at the first seed that finds it, with 1; with each of them in turn it is 0 where all were found.
const string Each = "each";
ulong seed = 1;
var runs = 100;
var isSystem = args.Contains("--system");
var isTraced = args.Contains("--trace");
var isEach = false;
var options = args.Where(a => a is not ("--system" or "--trace" or "--worlds")).SelectMany(a => a.StartsWith("--", StringComparison.Ordinal) ? a.Split('=', 2) : [a]).ToList();
for (var i = 0; i + 1 < options.Count; i += 2)
{
    var isKnown = options[i] switch
    {
        "--seed" => ulong.TryParse(options[i + 1], NumberStyles.None, CultureInfo.InvariantCulture, out seed),
        "--runs" => int.TryParse(options[i + 1], NumberStyles.None, CultureInfo.InvariantCulture, out runs) && runs > 0,
        "--plant" when options[i + 1] == Each => isEach = true,
        "--plant" => (isSystem ? Plant.OfSystem : Plant.All).Contains(Plant.Planted = options[i + 1]),
        _ => false,
    };
    if (!isKnown) return Usage();
}

if (options.Count % 2 != 0) return Usage();
// What such a run starts for itself.
if (isSystem && args.Contains("--worlds")) return WorldProcess.Serve(Console.In, Console.Out);
if (!isEach) return Run();
var missed = (isSystem ? Plant.OfSystem : Plant.All).Where(plant => (Plant.Planted = plant) is not null && Run() == 0).ToList();
if (missed.Count > 0) Console.WriteLine($"not found: {string.Join(", ", missed)}");
return missed.Count == 0 ? 0 : 1;

int Run() => isSystem ? new SystemRun(seed, runs, Console.Out, isTraced).Run() : new SimulationRun(seed, runs, Console.Out).Run();

static int Usage()
{
    Console.Error.WriteLine($"usage: VmRepl.Simulation --seed N --runs N [--plant {Each}|{string.Join('|', Plant.All)}]\n       VmRepl.Simulation --system --seed N --runs N [--trace] [--plant {Each}|{string.Join('|', Plant.OfSystem)}]");
    return 2;
}
