using System.Globalization;

namespace VmRepl.Benchmarks;

/// <summary>What to measure, and on what.</summary>
/// <param name="SizeMib">Length of the source disk, MiB, at least 64; every other MiB of it holds random data.</param>
/// <param name="Pairs">Measured rounds of each contest, 1 to 99; one more, first, is not counted.</param>
/// <param name="Directory">Where disks and stores are made and removed again; in a directory of their own; null for <c>artifacts</c>.</param>
/// <param name="VmRepl">The published command; null to publish it.</param>
/// <param name="Only">Names of contests; empty for all.</param>
internal sealed record BenchOptions(int SizeMib, int Pairs, string? Directory, string? VmRepl, IReadOnlyList<string> Only)
{
    public const string Usage = "usage: VmRepl.Benchmarks [--size MIB] [--pairs N] [--directory DIR] [--vmrepl FILE] [--only NAME[,NAME…]]";

    /// <exception cref="BenchException">It is no command line of this program.</exception>
    public static BenchOptions Parse(IReadOnlyList<string> arguments)
    {
        var options = new BenchOptions(2048, 5, null, null, []);
        var words = arguments.SelectMany(a => a.StartsWith("--", StringComparison.Ordinal) ? a.Split('=', 2) : [a]).ToList();
        if (words.Count % 2 != 0) throw new BenchException(Usage);
        for (var i = 0; i < words.Count; i += 2)
        {
            var value = words[i + 1];
            options = words[i] switch
            {
                "--size" => options with { SizeMib = Number(value, 64, 1 << 20) },
                "--pairs" => options with { Pairs = Number(value, 1, 99) },
                "--directory" => options with { Directory = Path.GetFullPath(value) },
                "--vmrepl" => options with { VmRepl = Path.GetFullPath(value) },
                "--only" => options with { Only = value.Split(',') },
                _ => throw new BenchException(Usage),
            };
        }

        return options;
    }

    private static int Number(string text, int min, int max) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= min && number <= max
            ? number : throw new BenchException($"{text} is not a number from {min} to {max}; {Usage}");
}
