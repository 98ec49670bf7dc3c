namespace VmRepl.Replication.Source;

/// <summary>What a round came to.</summary>
/// <param name="Sequence">Its recovery point.</param>
/// <param name="TimeUs">The point's time, microseconds since 1970 UTC.</param>
/// <param name="StoreId">The store that has it.</param>
/// <param name="WasBaseline">Whether it was the first full transfer.</param>
/// <param name="BytesSent">Bytes put on the wire, frames included.</param>
/// <param name="DigestBytesSent">The part of them that were digests.</param>
/// <param name="ChangedBytes">Bytes of the disks that differed.</param>
/// <param name="Duration">From the first look at the images to the durable point.</param>
public sealed record RoundResult(ulong Sequence, long TimeUs, Guid StoreId, bool WasBaseline, long BytesSent, long DigestBytesSent, long ChangedBytes, TimeSpan Duration)
{
    /// <summary>What was sent because the replica did not have it: all but the questions about what it has.</summary>
    public long OwnBytes => BytesSent - DigestBytesSent;
}
