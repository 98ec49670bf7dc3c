namespace VmRepl.Replication.Source;

/// <summary>Gives drafts their sequence and time and sends them.</summary>
internal sealed class RecordStream(ReplicaLink link, SequenceReserve sequences, TimeProvider time, uint epoch, long lastTimeUs)
{
    private const int PayloadBytesMax = 1 << 20;

    private readonly RecordStamp stamp = new(sequences, time, epoch, lastTimeUs);

    /// <summary>Time of the newest record, microseconds since 1970.</summary>
    public long LastTimeUs => stamp.LastTimeUs;

    /// <summary>Sequence of the newest record.</summary>
    public ulong Last => stamp.Last;

    /// <summary>Sends the drafts in order, cut into batches of about 1 MiB.</summary>
    public async Task SendAsync(IReadOnlyList<RecordDraft> drafts, bool isBaseline, CancellationToken cancellation)
    {
        for (var next = 0; next < drafts.Count;)
        {
            var batch = new List<RecordDraft>();
            long weight = 0;
            while (next < drafts.Count && (batch.Count == 0 || (weight + drafts[next].WeightBytes <= PayloadBytesMax && batch.Count < 4096)))
            {
                weight += drafts[next].WeightBytes;
                batch.Add(drafts[next++]);
            }

            await link.SendAsync(() => [.. batch.Select(draft => new SentRecord(stamp.Stamp(draft), isBaseline, draft.Memory))], weight, cancellation);
        }
    }
}
