namespace VmRepl.Simulation.System;

/// <summary>
/// Worlds of <see cref="SystemSimulation"/>, each in a process of its own. Now and then a seed is run twice, and both have to be the same event for event; that nothing but the seed decides is itself one of the properties.
/// </summary>
internal sealed class SystemRun(ulong firstSeed, int runs, TextWriter output, bool isTraced) : SeedRun("system", firstSeed, runs, output)
{
    private const int TwiceEach = 25;

    // A single one is run in this process, where a debugger is.
    private readonly bool isHere = runs == 1 || isTraced;
    private readonly Action<string>? trace = isTraced ? output.WriteLine : null;
    private readonly SystemCounters counters = new();

    protected override int RunsThatMustSeeEverything => 300;

    protected override IEnumerable<string> Missing => counters.Missing;

    protected override string Counted => counters.ToString();

    protected override int AtOnce => isHere ? 1 : base.AtOnce;

    protected override void Work(Action<WorldRunner> runAll)
    {
        using var process = isHere ? null : new WorldProcess();
        runAll((seed, index) =>
        {
            var isTwice = index % TwiceEach == 0;
            var outcome = process?.Run(seed, isTwice) ?? WorldOutcome.Of(seed, isTwice, trace);
            return (outcome.Verdict, () => counters.Add(outcome.Counts));
        });
    }
}
