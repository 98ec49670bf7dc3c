using System.Globalization;
using VmRepl.Fuzz;
using VmRepl.Fuzz.Corpus;

// dotnet run -c Release --project tests/VmRepl.Fuzz -- --seed N --runs N
// Mutant i has the seed N+i, so a run that was ended goes on where it says. Exit status: 0 no finding; 1 findings, or too few mutants came to a block's contents; 2 usage.
ulong seed = 1;
long runs = 1000;
var options = args.SelectMany(a => a.StartsWith("--", StringComparison.Ordinal) ? a.Split('=', 2) : [a]).ToList();
for (var i = 0; i + 1 < options.Count; i += 2)
{
    var isKnown = options[i] switch
    {
        "--seed" => ulong.TryParse(options[i + 1], NumberStyles.None, CultureInfo.InvariantCulture, out seed),
        "--runs" => long.TryParse(options[i + 1], NumberStyles.None, CultureInfo.InvariantCulture, out runs) && runs > 0,
        _ => false,
    };
    if (!isKnown) return Usage();
}

if (options.Count % 2 != 0) return Usage();
var run = new FuzzRun(CorpusImages.Load(), seed, runs, Console.Out);
Console.CancelKeyPress += (_, pressed) =>
{
    pressed.Cancel = true;
    run.Stop();
};
return run.Run();

static int Usage()
{
    Console.Error.WriteLine("usage: VmRepl.Fuzz --seed N --runs N");
    return 2;
}
