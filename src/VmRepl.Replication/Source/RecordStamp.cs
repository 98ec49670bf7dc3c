using VmRepl.Protocol.Records;

namespace VmRepl.Replication.Source;

/// <summary>Gives drafts their sequence and time: no sequence is used twice, the time never goes back. Not safe for concurrent use; the caller's order is the order.</summary>
/// <param name="timeUs">Time of the newest record before, microseconds since 1970.</param>
internal sealed class RecordStamp(SequenceReserve sequences, TimeProvider time, uint epoch, long timeUs)
{
    private long lastTimeUs = timeUs;

    /// <summary>Sequence of the newest record.</summary>
    public ulong Last { get; private set; }

    /// <summary>Time of the newest record, microseconds since 1970. May be read at any time.</summary>
    public long LastTimeUs => Volatile.Read(ref lastTimeUs);

    /// <summary>Goes on behind a time that somebody else has seen used.</summary>
    public void AdvanceTo(long seenUs) => Volatile.Write(ref lastTimeUs, Math.Max(lastTimeUs, seenUs));

    /// <exception cref="IOException">No sequence can be reserved; nothing was stamped.</exception>
    public Record Stamp(RecordDraft draft)
    {
        Last = sequences.Next();
        Volatile.Write(ref lastTimeUs, Math.Max(lastTimeUs + 1, time.NowUs()));
        return Record.Create(
            new RecordHeader
            {
                Kind = draft.Kind,
                Sequence = Last,
                TimeUs = lastTimeUs,
                Epoch = epoch,
                Disk = draft.Disk,
                Offset = draft.Offset,
                Length = draft.Length,
                Attributes = draft.Attributes,
            },
            draft.Payload);
    }
}
