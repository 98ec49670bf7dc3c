using System.Diagnostics;

namespace VmRepl.Simulation;

/// <summary>
/// Many worlds, one for each seed, two at a time. What a world does is decided by its seed alone; only the order in which verdicts are printed is not.
/// With a planted bug it ends at the first seed that finds it.
/// </summary>
/// <param name="option">What makes the command line run worlds of this kind; empty for the usual one.</param>
internal abstract class SeedRun(string option, ulong firstSeed, int runs, TextWriter output)
{
    private readonly Lock gate = new();
    private readonly List<int> failed = [];
    private int next;

    /// <summary>Runs a world.</summary>
    /// <param name="index">Of the seed in the run, from 0.</param>
    /// <returns>What is wrong, or null; and what counts the events of the world, which is called by one thread at a time.</returns>
    protected delegate (string? Fault, Action Count) WorldRunner(ulong seed, int index);

    /// <summary>A run of so many must have seen everything.</summary>
    protected abstract int RunsThatMustSeeEverything { get; }

    /// <summary>Events that never happened.</summary>
    protected abstract IEnumerable<string> Missing { get; }

    /// <summary>How often each happened, in words.</summary>
    protected abstract string Counted { get; }

    protected virtual int AtOnce => 2;

    private static string Planted(string before) => Plant.Planted is { } plant ? before + plant : "";

    /// <summary>Exit status: 0, or 1 where a seed failed or an event never happened.</summary>
    public int Run()
    {
        output.WriteLine($"{(option.Length > 0 ? $"{option}: " : "")}seed {firstSeed}, {runs} runs{Planted(", planted: ")}");
        var watch = Stopwatch.StartNew();
        Thread[] threads = [.. Enumerable.Range(0, Math.Min(AtOnce, runs)).Select(_ => new Thread(() => Work(RunAll)))];
        foreach (var thread in threads) thread.Start();
        foreach (var thread in threads) thread.Join();
        var seconds = watch.Elapsed.TotalSeconds;
        if (Plant.Planted is { } plant)
        {
            output.WriteLine(failed.Count > 0 ? $"{plant} was found by seed {firstSeed + (ulong)failed.Min()}, after {failed.Min() + 1} seeds and {seconds:F1} s" : $"{plant} was not found by {runs} seeds in {seconds:F1} s");
            return failed.Count > 0 ? 1 : 0;
        }

        var missing = runs >= RunsThatMustSeeEverything ? Missing.ToList() : [];
        if (missing.Count > 0) output.WriteLine($"never happened: {string.Join(", ", missing)}");
        output.WriteLine($"{runs - failed.Count} passed, {failed.Count} failed, {seconds:F1} s, {runs / seconds:F1} seeds a second; {Counted}");
        return failed.Count == 0 && missing.Count == 0 ? 0 : 1;
    }

    /// <summary>One thread's work: hands over what runs a world, and is back when no seed is left.</summary>
    protected abstract void Work(Action<WorldRunner> runAll);

    private void RunAll(WorldRunner run)
    {
        while (Take() is { } index)
        {
            var seed = unchecked(firstSeed + (ulong)index);
            var (fault, count) = run(seed, index);
            lock (gate)
            {
                count();
                if (fault is null) continue;
                failed.Add(index);
                output.WriteLine($"seed {seed} failed: {fault}\n  again with: dotnet cake --target=Simulate{(option.Length > 0 ? $" --{option}" : "")} --seed={seed} --runs=1{Planted(" --plant=")}");
            }
        }
    }

    private int? Take()
    {
        // A planted bug that was found needs no later seeds; earlier ones are under way already.
        lock (gate) return next >= runs || (Plant.Planted is not null && failed.Count > 0) ? null : next++;
    }
}
