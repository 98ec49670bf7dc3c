namespace VmRepl.Benchmarks.Sharing;

/// <summary>What one run took.</summary>
/// <param name="AppendSeconds">The large records, each range touched for the first time, applied and flushed.</param>
/// <param name="WrittenMib">What the device was given to write meanwhile.</param>
/// <param name="TakenMib">Space that was free before and is not free afterwards.</param>
/// <param name="AgainSeconds">The same ranges twice more, the journal at its capacity: segments are retired and their files used again.</param>
/// <param name="SmallSeconds">Then small random writes over the same disk, applied and flushed.</param>
/// <param name="ReadSeconds">Then the live image, read in order with nothing of it cached.</param>
internal sealed record SharingFigures(double AppendSeconds, double WrittenMib, double TakenMib, double AgainSeconds, double SmallSeconds, double ReadSeconds);
