using System.Globalization;

namespace VmRepl.JournalDriver;

/// <summary>The size of a workload.</summary>
/// <param name="Seed">Decides every record.</param>
/// <param name="DiskBytes">Size of the one disk.</param>
/// <param name="SegmentBytes">Size of the journal's segments.</param>
/// <param name="CapacityBytes">Most bytes of segments.</param>
/// <param name="Records">Records behind the baseline.</param>
public sealed record WorkloadShape(ulong Seed, long DiskBytes, long SegmentBytes, long CapacityBytes, long Records)
{
    /// <summary>As arguments of the driver.</summary>
    public string[] ToArguments() => [.. new[] { (long)Seed, DiskBytes, SegmentBytes, CapacityBytes, Records }.Select(n => n.ToString(CultureInfo.InvariantCulture))];

    public static WorkloadShape Parse(ReadOnlySpan<string> arguments)
    {
        long[] numbers = [.. arguments[..5].ToArray().Select(a => long.Parse(a, CultureInfo.InvariantCulture))];
        return new WorkloadShape((ulong)numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]);
    }
}
