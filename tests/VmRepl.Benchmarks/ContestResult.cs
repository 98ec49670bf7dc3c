using System.Globalization;

namespace VmRepl.Benchmarks;

/// <summary>What a contest took.</summary>
/// <param name="Contest">The contest.</param>
/// <param name="Present">Those who took part, ours first.</param>
/// <param name="Times">Counted times by name, in order of the rounds.</param>
/// <param name="First">The time of the round that is not counted.</param>
/// <param name="Skipped">Who did not take part, and why.</param>
internal sealed record ContestResult(
    Contest Contest, IReadOnlyList<Contestant> Present, IReadOnlyDictionary<string, List<TimeSpan>> Times, IReadOnlyDictionary<string, TimeSpan> First, IReadOnlyList<string> Skipped)
{
    /// <summary>Our time over another's in the same round: the median, the least and the greatest.</summary>
    public (double Median, double Min, double Max) RatioTo(Contestant other)
    {
        double[] ratios = [.. Times[Present[0].Name].Zip(Times[other.Name], (ours, theirs) => ours / theirs).Order()];
        return (Median(ratios), ratios[0], ratios[^1]);
    }

    public double MedianSeconds(Contestant of) => Median([.. Times[of.Name].Select(t => t.TotalSeconds).Order()]);

    /// <summary>A table in Markdown, the commands below it.</summary>
    public void WriteTo(TextWriter writer)
    {
        writer.WriteLine(string.Create(CultureInfo.InvariantCulture, $"\n### {Contest.Name}: {Contest.Work}\n"));
        writer.WriteLine("| | median s | least–most s | first run s | MiB/s | VmRepl takes, of its time |");
        writer.WriteLine("| --- | --- | --- | --- | --- | --- |");
        foreach (var contestant in Present)
        {
            var times = Times[contestant.Name];
            var median = MedianSeconds(contestant);
            var ratio = contestant == Present[0] ? "" : string.Create(CultureInfo.InvariantCulture, $"**{RatioTo(contestant).Median:F2}** ({RatioTo(contestant).Min:F2}–{RatioTo(contestant).Max:F2})");
            writer.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"| {contestant.Name} | {median:G3} | {times.Min().TotalSeconds:G3}–{times.Max().TotalSeconds:G3} | {First[contestant.Name].TotalSeconds:G3} | {Contest.Bytes / median / (1 << 20):F0} | {ratio} |"));
        }

        writer.WriteLine("\n```");
        foreach (var contestant in Present) writer.WriteLine(contestant.Command);
        writer.WriteLine("```");
        foreach (var note in Contest.Notes()) writer.WriteLine($"- {note}");
        foreach (var reason in Skipped) writer.WriteLine($"Skipped: {reason}.");
    }

    private static double Median(double[] sorted) =>
        sorted.Length % 2 == 1 ? sorted[sorted.Length / 2] : (sorted[(sorted.Length / 2) - 1] + sorted[sorted.Length / 2]) / 2;
}
