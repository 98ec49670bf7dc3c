using VmRepl.Fuzz.Mutations;
using VmRepl.Fuzz.Storage;
using VmRepl.Images;
using VmRepl.Images.Opening;
using VmRepl.Simulation.Storage;

namespace VmRepl.Fuzz.Trials;

/// <summary>
/// Does to one mutant what a program does to an image: opens it, asks everything it can say, reads it, for a part of the mutants copies and compares it, and writes a copy. Each step has to end in contents or
/// in one of the typed errors. Whatever else happens is a finding.
/// </summary>
/// <param name="mutant">The image.</param>
/// <param name="seed">Decides what is done beyond the mutant itself.</param>
/// <param name="open">The reader on trial.</param>
public sealed class Trial(Mutant mutant, ulong seed, Func<string, ImageOpenOptions, IDiskImage> open)
{
    private readonly SeededRandom random = new(seed ^ 0x5EED);
    private readonly List<Finding> findings = [];
    private readonly List<string> costs = [];
    private FuzzDirectory directory = new();
    private LiveMemory? memory;
    private volatile string step = "";
    private volatile bool isAborted;

    public IReadOnlyList<Finding> Findings => findings;

    /// <summary>What is being done, for the watchdog.</summary>
    public string Step => step;

    public TrialResult Result { get; } = new();

    /// <summary>Lets the next access to a file throw.</summary>
    public void Abort() => isAborted = true;

    /// <summary>Runs all steps.</summary>
    /// <param name="isMeasured">Whether the live memory is watched; slow, and alone in the process.</param>
    public void Run(bool isMeasured = false)
    {
        directory = new FuzzDirectory { Accessed = Accessed };
        foreach (var (name, bytes) in mutant.Files) directory.Add(name, bytes);
        if (isMeasured) memory = new LiveMemory(() => directory.HeldBytes);
        var (started, allocated) = (ThreadClock.Now, GC.GetAllocatedBytesForCurrentThread());
        Read();
        Look(directory);
        if (random.Chance(0.25))
        {
            directory = directory.Fork(Accessed, makesHoles: random.Chance(0.8));
            new WritingSteps(this, directory, random, open).Run(Path, Options);
            Look(directory);
        }

        Result.AllocatedBytes = GC.GetAllocatedBytesForCurrentThread() - allocated;
        Result.ProcessorTime = ThreadClock.Now - started;
        if (Result.ProcessorTime > TrialLimits.ProcessorTimeMax) findings.Add(new Finding("all", $"took {Result.ProcessorTime.TotalSeconds:F1} s of processor time: {string.Join(", ", costs)}", ""));
        if (memory is { PeakBytes: > TrialLimits.LiveBytesMax }) findings.Add(new Finding("all", $"held {memory.PeakBytes >> 20} MiB, at most {TrialLimits.LiveBytesMax >> 20} are allowed; {memory.PeakStep}", memory.PeakStack));
    }

    /// <summary>Does one step. False: it ended in an error, typed or not.</summary>
    /// <param name="name">For messages.</param>
    /// <param name="action">What is done.</param>
    /// <param name="isExpected">Errors that are right here beside those that are always.</param>
    internal bool Try(string name, Action action, Func<Exception, bool>? isExpected = null)
    {
        step = name;
        var started = ThreadClock.Now;
        try
        {
            action();
            return true;
        }
        catch (Exception e) when (e is ImageFormatException or ReferenceRefusedException || (e is IOException && directory.WasFull) || isExpected?.Invoke(e) == true)
        {
            // Made in full: a message that cannot be made is a finding too.
            Result.LastError = e.Message;
            return false;
        }
        catch (Exception e)
        {
            findings.Add(new Finding(name, $"{e.GetType().Name}: {e.Message}", e.StackTrace ?? ""));
            return false;
        }
        finally
        {
            memory?.Look(name);
            var cost = ThreadClock.Now - started;
            if (cost > TimeSpan.FromSeconds(0.1)) costs.Add($"{name} {cost.TotalSeconds:F1} s");
        }
    }

    internal void Found(string name, string problem) => findings.Add(new Finding(name, problem, ""));

    private string Path => FuzzDirectory.PathOf(mutant.Image.Files[0].Name);

    // Most are opened in their own format, as a program does that knows it; the others are probed.
    private ImageOpenOptions Options => new() { Format = mutant.Image.Format, Files = directory };

    private void Accessed()
    {
        if (isAborted) throw new TrialAbortedException();
        memory?.Look(step);
    }

    private void Look(FuzzDirectory at) => findings.AddRange(at.Violations.Select(v => new Finding("policy", v, "")));

    private void Read()
    {
        IDiskImage? image = null;
        var isProbed = random.Chance(0.15);
        var snapshot = mutant.Image.Snapshot is { } name && random.Chance(0.4) ? name : null;
        Try("open", () => image = open(Path, Options with { Format = isProbed && snapshot is null ? null : mutant.Image.Format, Snapshot = snapshot }));
        Result.IsOpened = image is not null;
        if (image is null) return;
        try
        {
            new ReadingSteps(this, image, random).Run();
        }
        finally
        {
            Try("close", image.Dispose);
        }
    }
}
