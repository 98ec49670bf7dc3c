using VmRepl.Simulation.Workload;

namespace VmRepl.Simulation.System;

/// <summary>What became of one world.</summary>
/// <param name="Verdict">What is wrong; null where it passed.</param>
/// <param name="Counts">By name, of what happened in it; those of <see cref="SystemCounters"/> that are not 0.</param>
internal sealed record WorldOutcome(string? Verdict, Dictionary<string, long> Counts)
{
    /// <param name="isTwice">Whether it is run a second time, and both have to be the same event for event.</param>
    public static WorldOutcome Of(ulong seed, bool isTwice, Action<string>? trace)
    {
        var world = new SystemSimulation(seed, trace);
        var verdict = Fault(world);
        if (verdict is null && isTwice)
        {
            var again = new SystemSimulation(seed, trace);
            verdict = Fault(again);
            if (verdict is null && (world.Log.Digest != again.Log.Digest || world.Steps != again.Steps)) verdict = $"two runs of it differ: {world.Steps} steps and {again.Steps}";
        }

        return new WorldOutcome(verdict, verdict is null ? world.Counters.NotZero : []);
    }

    private static string? Fault(SystemSimulation world)
    {
        try
        {
            world.Run();
            return null;
        }
        catch (Exception cause)
        {
            return cause is SimulationFailureException ? cause.Message : cause.ToString();
        }
    }
}
