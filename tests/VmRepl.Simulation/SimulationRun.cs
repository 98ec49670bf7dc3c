using VmRepl.Simulation.Workload;

namespace VmRepl.Simulation;

/// <summary>Worlds of the journal on a simulated volume.</summary>
internal sealed class SimulationRun(ulong firstSeed, int runs, TextWriter output) : SeedRun("", firstSeed, runs, output)
{
    private readonly SimulationCounters counters = new();

    protected override int RunsThatMustSeeEverything => 500;

    protected override IEnumerable<string> Missing => counters.Missing;

    protected override string Counted => counters.ToString();

    protected override void Work(Action<WorldRunner> runAll) => runAll((seed, _) =>
    {
        var world = new JournalSimulation(seed);
        return (Fault(world), () => counters.Add(world.Counters));
    });

    private static string? Fault(JournalSimulation world)
    {
        try
        {
            world.Run();
            return null;
        }
        catch (Exception cause)
        {
            return $"{cause.GetType().Name}: {cause.Message}{(cause is SimulationFailureException ? "" : cause.StackTrace?.Split('\n')[0])}";
        }
    }
}
