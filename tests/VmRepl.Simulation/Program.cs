using System.Diagnostics;
using System.Globalization;
using VmRepl.Simulation;
using VmRepl.Simulation.Workload;

// dotnet run -c Release --project tests/VmRepl.Simulation -- --seed N --runs N [--plant NAME]
// Exit status: 0 every seed passed; 1 one failed, or a long run never saw an event that it is there for; 2 usage. A planted bug ends the run at the first seed that finds it, with 1.
const int RunsThatMustSeeEverything = 500;
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

if (options.Count % 2 != 0) return Usage();
Console.WriteLine(Plant.Planted is null ? $"seed {seed}, {runs} runs" : $"seed {seed}, {runs} runs, planted: {Plant.Planted}");
var watch = Stopwatch.StartNew();
var counters = new SimulationCounters();
int failed = 0, done = 0;
for (; done < runs; done++)
{
    var present = unchecked(seed + (ulong)done);
    var simulation = new JournalSimulation(present);
    try
    {
        simulation.Run();
    }
    catch (Exception cause)
    {
        failed++;
        Console.WriteLine($"seed {present} failed: {cause.GetType().Name}: {cause.Message}{(cause is SimulationFailureException ? "" : cause.StackTrace?.Split('\n')[0])}");
        if (Plant.Planted is not null) break;
    }

    counters.Add(simulation.Counters);
}

var missing = Plant.Planted is null && runs >= RunsThatMustSeeEverything ? counters.Missing.ToList() : [];
if (missing.Count > 0) Console.WriteLine($"never happened: {string.Join(", ", missing)}");
Console.WriteLine($"{(Plant.Planted is null ? runs - failed : done)} passed, {failed} failed, {watch.Elapsed.TotalSeconds:F1} s; {counters}");
return failed == 0 && missing.Count == 0 ? 0 : 1;

static int Usage()
{
    Console.Error.WriteLine($"usage: VmRepl.Simulation --seed N --runs N [--plant {string.Join('|', Plant.All)}]");
    return 2;
}
