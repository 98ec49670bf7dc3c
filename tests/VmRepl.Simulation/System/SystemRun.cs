using System.Diagnostics;

namespace VmRepl.Simulation.System;

/// <summary>
/// Many worlds of <see cref="SystemSimulation"/>, two at a time, each in a process of its own. Now and then a seed is run twice, and both have to be the same event for event; that nothing but the seed decides is itself one
/// of the properties. With a planted bug it ends at the first seed that finds it.
/// </summary>
public sealed class SystemRun(ulong firstSeed, int runs, TextWriter output, bool isTraced)
{
    /// <summary>A run of so many must have seen everything.</summary>
    public const int RunsThatMustSeeEverything = 300;

    private const int TwiceEach = 25;
    private const int AtOnce = 2;

    private readonly Lock gate = new();
    private readonly SystemCounters counters = new();
    private readonly List<int> failed = [];
    private int next;

    /// <summary>Exit status: 0, or 1 where a seed failed or an event never happened.</summary>
    public int Run()
    {
        output.WriteLine($"system: seed {firstSeed}, {runs} runs{(Plant.Planted is null ? "" : $", planted: {Plant.Planted}")}");
        var watch = Stopwatch.StartNew();
        // A single one is run here, where a debugger is.
        if (runs == 1 || isTraced) Work((seed, isTwice) => WorldOutcome.Of(seed, isTwice, isTraced ? output.WriteLine : null));
        else WorkInProcesses();
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

    private void WorkInProcesses()
    {
        Thread[] threads = [.. Enumerable.Range(0, Math.Min(AtOnce, runs)).Select(_ => new Thread(() =>
        {
            using var process = new WorldProcess();
            Work(process.Run);
        }))];
        foreach (var thread in threads) thread.Start();
        foreach (var thread in threads) thread.Join();
    }

    private void Work(Func<ulong, bool, WorldOutcome> run)
    {
        while (Take() is { } index)
        {
            var seed = unchecked(firstSeed + (ulong)index);
            var outcome = run(seed, index % TwiceEach == 0);
            lock (gate)
            {
                counters.Add(outcome.Counts);
                if (outcome.Verdict is null) continue;
                failed.Add(index);
                output.WriteLine($"seed {seed} failed: {outcome.Verdict}\n  again with: dotnet cake --target=Simulate --system --seed={seed} --runs=1{(Plant.Planted is null ? "" : $" --plant={Plant.Planted}")}");
            }
        }
    }

    private int? Take()
    {
        // A planted bug that was found needs no later seeds; earlier ones are under way already.
        lock (gate) return next >= runs || (Plant.Planted is not null && failed.Count > 0) ? null : next++;
    }
}
