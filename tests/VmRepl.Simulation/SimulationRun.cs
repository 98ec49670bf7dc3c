using System.Diagnostics;
using VmRepl.Simulation.Workload;

namespace VmRepl.Simulation;

/// <summary>
/// Many worlds, one for each seed, two at a time. What a world does is decided by its seed alone; only the order in which verdicts are printed is not.
/// With a planted bug it ends at the first seed that finds it.
/// </summary>
public sealed class SimulationRun(ulong firstSeed, int runs, TextWriter output)
{
    /// <summary>A run of so many must have seen everything.</summary>
    public const int RunsThatMustSeeEverything = 500;

    private const int AtOnce = 2;

    private readonly Lock gate = new();
    private readonly SimulationCounters counters = new();
    private readonly List<int> failed = [];
    private int next;

    /// <summary>Exit status: 0, or 1 where a seed failed or an event never happened.</summary>
    public int Run()
    {
        output.WriteLine(Plant.Planted is null ? $"seed {firstSeed}, {runs} runs" : $"seed {firstSeed}, {runs} runs, planted: {Plant.Planted}");
        var watch = Stopwatch.StartNew();
        Thread[] threads = [.. Enumerable.Range(0, AtOnce).Select(_ => new Thread(Work))];
        foreach (var thread in threads) thread.Start();
        foreach (var thread in threads) thread.Join();
        var seconds = watch.Elapsed.TotalSeconds;
        if (Plant.Planted is { } plant)
        {
            output.WriteLine(failed.Count > 0 ? $"{plant} was found by seed {firstSeed + (ulong)failed.Min()}, after {failed.Min() + 1} seeds and {seconds:F1} s" : $"{plant} was not found by {runs} seeds in {seconds:F1} s");
            return failed.Count > 0 ? 1 : 0;
        }

        var missing = runs >= RunsThatMustSeeEverything ? counters.Missing.ToList() : [];
        if (missing.Count > 0) output.WriteLine($"never happened: {string.Join(", ", missing)}");
        output.WriteLine($"{runs - failed.Count} passed, {failed.Count} failed, {seconds:F1} s, {runs / seconds:F1} seeds a second; {counters}");
        return failed.Count == 0 && missing.Count == 0 ? 0 : 1;
    }

    private void Work()
    {
        while (Take() is { } index)
        {
            var seed = unchecked(firstSeed + (ulong)index);
            var world = new JournalSimulation(seed);
            string? verdict = null;
            try
            {
                world.Run();
            }
            catch (Exception cause)
            {
                verdict = $"{cause.GetType().Name}: {cause.Message}{(cause is SimulationFailureException ? "" : cause.StackTrace?.Split('\n')[0])}";
            }

            lock (gate)
            {
                counters.Add(world.Counters);
                if (verdict is null) continue;
                failed.Add(index);
                output.WriteLine($"seed {seed} failed: {verdict}\n  again with: dotnet cake --target=Simulate --seed={seed} --runs=1{(Plant.Planted is null ? "" : $" --plant={Plant.Planted}")}");
            }
        }
    }

    private int? Take()
    {
        // A planted bug that was found needs no later seeds; earlier ones are under way already.
        lock (gate) return next >= runs || (Plant.Planted is not null && failed.Count > 0) ? null : next++;
    }
}
