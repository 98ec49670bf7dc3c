using System.Diagnostics;
using VmRepl.Fuzz.Corpus;
using VmRepl.Fuzz.Mutations;
using VmRepl.Fuzz.Trials;
using VmRepl.Images;
using VmRepl.Images.Opening;
using VmRepl.Simulation.Storage;

namespace VmRepl.Fuzz;

/// <summary>
/// Many mutants, one for each seed, two at a time. What a mutant is and what is done to it is decided by its seed alone, so a run that was ended goes on at the seed that it names, and a finding is had again by its own.
/// </summary>
/// <param name="corpus">The sound images.</param>
/// <param name="firstSeed">Seed of the first mutant; the others follow it.</param>
/// <param name="runs">How many.</param>
/// <param name="output">Where findings and counters go.</param>
public sealed class FuzzRun(IReadOnlyList<CorpusImage> corpus, ulong firstSeed, long runs, TextWriter output)
{
    /// <summary>Share of all mutants that has to come to a block's contents; a run of fewer than <see cref="RunsThatMustReach"/> is not asked.</summary>
    public const double ReachMin = 0.3;

    public const long RunsThatMustReach = 1000;

    public const int AtOnce = 2;

    private const int ShownOfOneKind = 2;

    private static readonly TimeSpan ProgressEvery = TimeSpan.FromSeconds(15);

    private readonly Mutator mutator = new(corpus);
    private readonly Lock gate = new();
    private readonly ReaderWriterLockSlim alone = new();
    private readonly SortedDictionary<ImageFormat, FormatCounters> counters = [];
    private readonly Dictionary<string, int> kinds = [];
    private readonly Worker[] workers = new Worker[AtOnce];
    private readonly Stopwatch watch = new();
    private long next;
    private volatile bool isStopping;

    /// <summary>The reader on trial; another one only to try the fuzzer itself.</summary>
    public Func<string, ImageOpenOptions, IDiskImage> Open { get; init; } = DiskImages.Open;

    /// <summary>Where the seeds under way are kept; null to keep them nowhere.</summary>
    public StateFile? State { get; init; }

    public long Findings { get; private set; }

    public IReadOnlyDictionary<ImageFormat, FormatCounters> Counters => counters;

    /// <summary>No further mutants are begun; the run then ends as if it had been asked for so many.</summary>
    public void Stop() => isStopping = true;

    /// <summary>Exit status: 0, or 1 where there were findings, or too few mutants came to a block.</summary>
    public int Run()
    {
        output.WriteLine($"seed {firstSeed}, {runs} mutants of {corpus.Count} images");
        watch.Start();
        for (var i = 0; i < AtOnce; i++) workers[i] = Start(i);
        Watch();
        var all = new FormatCounters();
        output.WriteLine(FormatCounters.Head);
        foreach (var (format, counted) in counters)
        {
            output.WriteLine(counted.Row(format.Name()));
            all.Add(counted);
        }

        output.WriteLine(all.Row("all"));
        var seconds = watch.Elapsed.TotalSeconds;
        output.WriteLine($"{all.Mutants} mutants, {Findings} findings of {kinds.Count} kinds, {seconds:F1} s, {all.Mutants / seconds:F0} a second");
        if (all.Mutants < runs) output.WriteLine($"stopped; go on with: --seed {firstSeed + (ulong)all.Mutants} --runs {runs - all.Mutants}");
        var reached = (double)all.ReadBlock / Math.Max(1, all.Mutants);
        var isReachPoor = all.Mutants >= RunsThatMustReach && reached < ReachMin;
        if (isReachPoor) output.WriteLine($"only {reached:P1} of the mutants came to a block's contents, {ReachMin:P0} must");
        return Findings == 0 && !isReachPoor ? 0 : 1;
    }

    private Worker Start(int number)
    {
        var worker = new Worker(number);
        worker.Thread = new Thread(() => Work(worker)) { IsBackground = true, Name = "fuzz" };
        worker.Thread.Start();
        return worker;
    }

    /// <summary>Looks after the workers until all are done.</summary>
    private void Watch()
    {
        var told = watch.Elapsed;
        while (workers.Any(w => !w.Thread!.Join(100)))
        {
            for (var i = 0; i < AtOnce; i++) Judge(i);
            if (watch.Elapsed - told < ProgressEvery) continue;
            told = watch.Elapsed;
            lock (gate) output.WriteLine($"  {next} of {runs} begun, {Findings} findings, {watch.Elapsed.TotalSeconds:F0} s");
        }
    }

    private void Judge(int index)
    {
        var worker = workers[index];
        if (worker.Current is not { } current) return;
        var elapsed = watch.Elapsed - current.Started;
        if (elapsed > TrialLimits.WallTimeMax) current.Trial.Abort();
        if (elapsed < TrialLimits.AbandonedAfter || worker.IsAbandoned) return;
        // Nothing can end a thread that does not look at a file: it is left, and another one takes its place.
        worker.IsAbandoned = true;
        Report(current.Seed, current.Mutant, [new Finding(current.Trial.Step, $"does not end: {elapsed.TotalSeconds:F0} s", "")]);
        workers[index] = Start(index);
    }

    private void Work(Worker worker)
    {
        while (!worker.IsAbandoned && Take() is { } index)
        {
            var seed = unchecked(firstSeed + (ulong)index);
            State?.Begin(worker.Number, seed);
            var mutant = mutator.Make(new SeededRandom(seed));
            var trial = new Trial(mutant, seed, Open);
            worker.Current = new Current(seed, mutant, trial, watch.Elapsed);
            alone.EnterReadLock();
            try
            {
                trial.Run();
            }
            finally
            {
                alone.ExitReadLock();
            }

            worker.Current = null;
            if (worker.IsAbandoned) return;
            List<Finding> findings = [.. trial.Findings];
            if (trial.Result.AllocatedBytes > TrialLimits.AllocatedBytesSuspect) findings.AddRange(Measure(seed));
            lock (gate)
            {
                if (!counters.TryGetValue(mutant.Image.Format, out var counted)) counters[mutant.Image.Format] = counted = new FormatCounters();
                counted.Add(mutant, trial);
            }

            if (findings.Count > 0) Report(seed, mutant, findings);
        }

        // One that was left behind, or that was asked to stop, is not done with what was to come.
        if (!worker.IsAbandoned && !isStopping) State?.Done(worker.Number);
    }

    /// <summary>Runs a mutant once more, alone, and watches what it holds.</summary>
    private IEnumerable<Finding> Measure(ulong seed)
    {
        if (!alone.TryEnterWriteLock(TrialLimits.AbandonedAfter)) return [new Finding("all", $"allocated more than {TrialLimits.AllocatedBytesSuspect >> 20} MiB, and could not be measured beside a trial that does not end", "")];
        try
        {
            var trial = new Trial(mutator.Make(new SeededRandom(seed)), seed, Open);
            trial.Run(isMeasured: true);
            // Only memory: time is another one with all the collecting.
            return trial.Findings.Where(f => f.Problem.StartsWith("held ", StringComparison.Ordinal));
        }
        finally
        {
            alone.ExitWriteLock();
        }
    }

    private void Report(ulong seed, Mutant mutant, IReadOnlyList<Finding> findings)
    {
        lock (gate)
        {
            foreach (var finding in findings)
            {
                Findings++;
                var kind = $"{finding.Step} {finding.Problem.Split(':')[0]} {Place(finding.Stack)}";
                kinds[kind] = kinds.GetValueOrDefault(kind) + 1;
                if (kinds[kind] > ShownOfOneKind) continue;
                output.WriteLine($"seed {seed}: {mutant.Image.Name} ({mutant.Image.Format.Name()}{(mutant.IsSealed ? ", sealed" : "")}): {finding.Step}: {finding.Problem}");
                foreach (var words in mutant.Words) output.WriteLine($"    {words}");
                if (finding.Stack.Length > 0) output.WriteLine(finding.Stack);
                output.WriteLine($"    again with: dotnet cake --target=Fuzz --seed={seed} --runs=1");
            }
        }
    }

    /// <summary>The innermost line of ours, by which findings are told apart.</summary>
    private static string Place(string stack) =>
        stack.Split('\n').FirstOrDefault(l => l.Contains("VmRepl.Images", StringComparison.Ordinal) || l.Contains("VmRepl.Blocks", StringComparison.Ordinal))?.Trim() ?? "";

    private long? Take()
    {
        lock (gate) return next >= runs || isStopping ? null : next++;
    }

    private sealed class Worker(int number)
    {
        public int Number => number;

        public Thread? Thread { get; set; }

        public volatile Current? Current;

        public volatile bool IsAbandoned;
    }

    private sealed record Current(ulong Seed, Mutant Mutant, Trial Trial, TimeSpan Started);
}
