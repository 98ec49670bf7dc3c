using VmRepl.Protocol.Records;

namespace VmRepl.Replication.Source;

/// <summary>Gives drafts their sequence and time and sends them. The sequence is never used twice, the time never goes back.</summary>
internal sealed class RecordStream(ReplicaLink link, SequenceReserve sequences, TimeProvider time, uint epoch, long lastTimeUs)
{
    private const int PayloadBytesMax = 1 << 20;

    /// <summary>Time of the newest record, microseconds since 1970.</summary>
    public long LastTimeUs { get; private set; } = lastTimeUs;

    /// <summary>Sequence of the newest record.</summary>
    public ulong Last { get; private set; }

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

            await link.SendAsync(() => [.. batch.Select(draft => new SentRecord(Build(draft), isBaseline, draft.Memory))], weight, cancellation);
        }
    }

    private Record Build(RecordDraft draft)
    {
        LastTimeUs = Math.Max(LastTimeUs + 1, (time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks / 10);
        Last = sequences.Next();
        return Record.Create(
            new RecordHeader
            {
                Kind = draft.Kind,
                Sequence = Last,
                TimeUs = LastTimeUs,
                Epoch = epoch,
                Disk = draft.Disk,
                Offset = draft.Offset,
                Length = draft.Length,
                Attributes = draft.Attributes,
            },
            draft.Payload);
    }
}
