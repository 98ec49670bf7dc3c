using System.Globalization;

namespace VmRepl.Benchmarks.Ingest;

/// <summary>What one ingest does; it runs in a process of its own (<c>VmRepl.Benchmarks ingest …</c>), so that its processor time is its own.</summary>
/// <param name="Directory">Where the store is made; must not exist.</param>
/// <param name="DiskMib">Length of the disk, MiB.</param>
/// <param name="IsFilled">Whether the disk holds data before, so that every write needs its old contents kept; else it is one hole.</param>
/// <param name="RecordBytes">Bytes of each record.</param>
/// <param name="Records">How many.</param>
/// <param name="Batch">Records that share a commit.</param>
/// <param name="IsRandom">Offsets at random, else one after the other.</param>
/// <param name="CapacityMib">The journal's capacity, MiB; 0 for none.</param>
/// <param name="WarmUpRecords">Records appended before, in large batches, not counted: a journal at its capacity writes over files that it has used before.</param>
/// <param name="Seed">Of the offsets and contents.</param>
internal sealed record IngestOptions(
    string Directory, int DiskMib, bool IsFilled, int RecordBytes, int Records, int Batch, bool IsRandom, int CapacityMib, int WarmUpRecords, ulong Seed)
{
    public string[] ToArguments() =>
    [
        "ingest", Directory, .. new object[] { DiskMib, IsFilled, RecordBytes, Records, Batch, IsRandom, CapacityMib, WarmUpRecords, Seed }.Select(v => Convert.ToString(v, CultureInfo.InvariantCulture)!),
    ];

    /// <param name="arguments">As <see cref="ToArguments"/> makes them, without the first.</param>
    public static IngestOptions Parse(string[] arguments)
    {
        var c = CultureInfo.InvariantCulture;
        return new IngestOptions(
            arguments[0], int.Parse(arguments[1], c), bool.Parse(arguments[2]), int.Parse(arguments[3], c), int.Parse(arguments[4], c), int.Parse(arguments[5], c), bool.Parse(arguments[6]),
            int.Parse(arguments[7], c), int.Parse(arguments[8], c), ulong.Parse(arguments[9], c));
    }
}
