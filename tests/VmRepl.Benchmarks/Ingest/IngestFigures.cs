using System.Globalization;

namespace VmRepl.Benchmarks.Ingest;

/// <summary>What an ingest took. Printed by the process that did it and read by the contest, as the C loop's figures are.</summary>
/// <param name="Seconds">Until everything was applied and flushed.</param>
/// <param name="CpuSeconds">Processor time of the process, user and system.</param>
/// <param name="P99Ms">99th percentile of the time from a batch's handing over to its acknowledgement, milliseconds.</param>
/// <param name="P50Ms">The median of it.</param>
internal sealed record IngestFigures(double Seconds, double CpuSeconds, double P99Ms, double P50Ms)
{
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Seconds:F6} {CpuSeconds:F6} {P99Ms:F4} {P50Ms:F4}");

    /// <exception cref="BenchException">It is no line of four numbers.</exception>
    public static IngestFigures Parse(string line)
    {
        try
        {
            double[] numbers = [.. line.Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(n => double.Parse(n, CultureInfo.InvariantCulture))];
            return new IngestFigures(numbers[0], numbers[1], numbers[2], numbers[3]);
        }
        catch (Exception e) when (e is FormatException or IndexOutOfRangeException)
        {
            throw new BenchException($"\"{line}\" are no figures of an ingest");
        }
    }
}
