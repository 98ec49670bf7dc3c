namespace VmRepl.Journal.Tests.Space;

/// <summary>What the journal costs, as figures: N, the bytes written in the recovery range; k, the distinct ones; both are printed.</summary>
internal sealed class JournalSpaceTests
{
    private const long MiB = 1 << 20;

    [TestCase(16, 4096)]
    [TestCase(1, 4096)]
    [TestCase(16, 512)]
    [TestCase(1, 512)]
    public void JournalBytes_UniformWrites_AreNearNPlusK(int recordsPerBatch, int recordBytes)
    {
        var bytes = recordBytes == 4096 ? 64 * MiB : 8 * MiB;
        using var run = new SpaceRun(128 * MiB, long.MaxValue, MiB);
        run.Write(new WritePattern("uniform", 128 * MiB, recordBytes, recordBytes), bytes, recordsPerBatch);
        var ratio = (double)run.JournalBytes / (run.RangeBytes + run.DistinctBytes);
        Print(run, $"uniform, {recordsPerBatch} records of {recordBytes} bytes a commit: {ratio:F3} x (N + k)");
        if (recordsPerBatch >= 16 && recordBytes == 4096) Assert.That(ratio, Is.LessThanOrEqualTo(1.1));
    }

    /// <summary>
    /// The recovery range beside that of a journal of the same capacity that keeps redo and undo for each write, and nothing else: no headers, no free space. What is possible is 2 / (1 + k / N) of it;
    /// the rest is headers, the padding of what is handed down, what is found void and not yet given back, and the room that is kept for the worst batch.
    /// </summary>
    [TestCase("sequential")]
    [TestCase("uniform")]
    [TestCase("80/5")]
    [TestCase("Pareto")]
    public void RecoveryRange_BesideRedoAndUndoForEachWrite_IsItsPartOfWhatIsPossible(string pattern)
    {
        const long capacity = 256 * MiB;
        using var run = new SpaceRun(256 * MiB, capacity, 2 * MiB);
        var writes = new WritePattern(pattern, 256 * MiB, 4096, 65536);
        // The first pass fills the journal, the second is measured.
        run.Write(writes, capacity, 16);
        run.Write(writes, 2 * capacity, 16);
        var ratio = run.RangeBytes / (capacity / 2.0);
        var possible = 2 / (1 + ((double)run.DistinctBytes / run.RangeBytes));
        Print(run, $"{pattern}: recovery range {ratio:F3} x that of redo and undo for each write, {ratio / possible:F3} of 2 / (1 + k / N) = {possible:F3}");
        Assert.That(ratio / possible, Is.GreaterThanOrEqualTo(0.95));
        if (pattern != "80/5") return;
        Assert.That(run.ReadsPerWrite, Is.LessThanOrEqualTo(0.25));
        Assert.That((double)run.JournalBytes / run.RangeBytes, Is.LessThanOrEqualTo(1.45));
    }

    private static void Print(SpaceRun run, string what) => TestContext.Out.WriteLine(
        $"{what}\n  N {run.RangeBytes / (double)MiB:F1} MiB, k {run.DistinctBytes / (double)MiB:F1} MiB, journal {run.JournalBytes / (double)MiB:F1} MiB = {(double)run.JournalBytes / run.RangeBytes:F3} x N, " +
        $"{run.ReadsPerWrite:F3} reads of old contents a write, {run.Retired} segments retired, {run.HandDownBytes / (double)MiB:F1} MiB handed down, {run.VoidBytes / (double)MiB:F1} MiB of that given back, {run.Writes} writes");
}
