using VmRepl.Simulation.Workload;
using System.Diagnostics;

namespace VmRepl.Simulation.System;

/// <summary>
/// Many worlds of <see cref="SystemSimulation"/>, one after the other: each owns the thread pool. Now and then a seed is run twice, and both have to be the same event for event; that nothing but the seed decides is itself one
/// of the properties. With a planted bug it ends at the first seed that finds it.
/// </summary>
public sealed class SystemRun(ulong firstSeed, int runs, TextWriter output, bool isTraced)
{
    /// <summary>A run of so many must have seen everything.</summary>
    public const int RunsThatMustSeeEverything = 300;

    private const int TwiceEach = 25;

    private readonly SystemCounters counters = new();

    /// <summary>Exit status: 0, or 1 where a seed failed or an event never happened.</summary>
    public int Run()
    {
        output.WriteLine($"system: seed {firstSeed}, {runs} runs{(Plant.Planted is null ? "" : $", planted: {Plant.Planted}")}");
        var watch = Stopwatch.StartNew();
        var failed = 0;
        for (var i = 0; i < runs; i++)
        {
            var seed = unchecked(firstSeed + (ulong)i);
            if (Verdict(seed, i % TwiceEach == 0) is not { } verdict) continue;
            failed++;
            output.WriteLine($"seed {seed} failed: {verdict}\n  again with: dotnet cake --target=Simulate --system --seed={seed} --runs=1{(Plant.Planted is null ? "" : $" --plant={Plant.Planted}")}");
            if (Plant.Planted is null) continue;
            output.WriteLine($"{Plant.Planted} was found by seed {seed}, after {i + 1} seeds and {watch.Elapsed.TotalSeconds:F1} s");
            return 1;
        }

        var seconds = watch.Elapsed.TotalSeconds;
        if (Plant.Planted is not null)
        {
            output.WriteLine($"{Plant.Planted} was not found by {runs} seeds in {seconds:F1} s");
            return 0;
        }

        var missing = runs >= RunsThatMustSeeEverything ? counters.Missing.ToList() : [];
        if (missing.Count > 0) output.WriteLine($"never happened: {string.Join(", ", missing)}");
        output.WriteLine($"{runs - failed} passed, {failed} failed, {seconds:F1} s, {runs / seconds:F1} seeds a second; {counters}");
        return failed == 0 && missing.Count == 0 ? 0 : 1;
    }

    private string? Verdict(ulong seed, bool isTwice)
    {
        var (digest, steps) = (0UL, 0L);
        for (var time = 0; time < (isTwice ? 2 : 1); time++)
        {
            var world = new SystemSimulation(seed, isTraced ? output.WriteLine : null);
            try
            {
                world.Run();
            }
            catch (Exception cause)
            {
                return cause is SimulationFailureException ? cause.Message : cause.ToString();
            }

            if (time == 0) counters.Add(world.Counters);
            else if (world.Log.Digest != digest || world.Steps != steps) return $"two runs of it differ: {steps} steps and {world.Steps}";
            (digest, steps) = (world.Log.Digest, world.Steps);
        }

        return null;
    }
}
