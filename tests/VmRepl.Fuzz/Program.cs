using System.Globalization;
using VmRepl.Fuzz;
using VmRepl.Fuzz.Corpus;

// dotnet run -c Release --project tests/VmRepl.Fuzz -- --seed N --runs N [--state FILE]
// Mutant i has the seed N+i, so a run that was ended goes on where it says; with --state it does so by itself when it is started again. Exit status: 0 no finding; 1 findings, or too few mutants came to a block's contents; 2 usage.
ulong seed = 1;
long runs = 1000;
string? statePath = null;
var options = args.SelectMany(a => a.StartsWith("--", StringComparison.Ordinal) ? a.Split('=', 2) : [a]).ToList();
for (var i = 0; i + 1 < options.Count; i += 2)
{
    var isKnown = options[i] switch
    {
        "--seed" => ulong.TryParse(options[i + 1], NumberStyles.None, CultureInfo.InvariantCulture, out seed),
        "--runs" => long.TryParse(options[i + 1], NumberStyles.None, CultureInfo.InvariantCulture, out runs) && runs > 0,
        "--state" => (statePath = options[i + 1]).Length > 0,
        _ => false,
    };
    if (!isKnown) return Usage();
}

if (options.Count % 2 != 0) return Usage();
if (statePath is not null && StateFile.Find(statePath) is { } left && left.Seed >= seed && left.Seed - seed < (ulong)runs)
{
    Console.WriteLine($"{statePath}: the run before ended at seed {left.Seed}; if it was a mutant that ended it, that is one of the next {FuzzRun.AtOnce} it tries");
    (seed, runs) = left;
}

using var state = statePath is null ? null : new StateFile(statePath, unchecked(seed + (ulong)runs));
var run = new FuzzRun(CorpusImages.Load(), seed, runs, Console.Out) { State = state };
Console.CancelKeyPress += (_, pressed) =>
{
    pressed.Cancel = true;
    run.Stop();
};
return run.Run();

static int Usage()
{
    Console.Error.WriteLine("usage: VmRepl.Fuzz --seed N --runs N [--state FILE]");
    return 2;
}
