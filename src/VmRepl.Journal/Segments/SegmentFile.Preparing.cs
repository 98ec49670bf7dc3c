using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Journal.Segments;

/// <content>Space that is taken and written before a commit comes.</content>
internal sealed partial class SegmentFile
{
    private const long RecordsStep = 256 << 10;
    private const long PayloadStep = 1 << 20;

    private static readonly byte[] Zeros = new byte[128 << 10];

    // The free space up to here on the one side, and from here on the other, was written once: by this, or as a segment that is used again.
    private long writtenTo, writtenFrom = long.MaxValue;

    /// <summary>
    /// Writes zeros where the next commits will go, where nothing was written yet: a flush of a commit that overwrites takes half as long as one for which the volume has to find blocks and note them, and somebody may wait for each.
    /// What is free means nothing, so nothing has to be flushed and a crash may leave any of it. Not worth it for large commits: their flush is as long as their contents are.
    /// </summary>
    /// <param name="mayTake">Whether the volume can spare so many bytes.</param>
    public void PrepareAhead(Func<long, bool> mayTake)
    {
        var recordsStep = Math.Min(RecordsStep, Header.SegmentBytes / 16);
        var payloadStep = Math.Min(PayloadStep, Header.SegmentBytes / 16);
        var from = Math.Max(writtenTo, Sectors.AlignUp(RecordsEnd, SegmentLayout.PayloadAlignment));
        if (from - RecordsEnd < recordsStep / 4 && Write(from, Math.Min(from + recordsStep, Math.Min(PayloadStart, writtenFrom)))) writtenTo = from + recordsStep;
        var to = Math.Min(writtenFrom, PayloadStart);
        if (PayloadStart - to < payloadStep / 4 && Write(Math.Max(to - payloadStep, Math.Max(writtenTo, Sectors.AlignUp(RecordsEnd, SegmentLayout.PayloadAlignment))), to)) writtenFrom = to - payloadStep;

        bool Write(long start, long end)
        {
            if (end <= start) return true;
            if (!mayTake(end - start)) return false;
            var parts = new List<ReadOnlyMemory<byte>>();
            for (var left = end - start; left > 0; left -= parts[^1].Length) parts.Add(Zeros.AsMemory(0, (int)Math.Min(left, Zeros.Length)));
            using var lease = new Lease(handle);
            lease.File.WriteAroundCache(start, parts);
            // The next flush may be long in coming, and until then nobody else of the process could write with what this is written with, of which there is little.
            lease.File.FinishWrites();
            return true;
        }
    }
}
