using VmRepl.Protocol.Records;

namespace VmRepl.Replication;

/// <summary>How records are counted against credit, the same on both sides: the header's bytes and the payload's.</summary>
internal static class CreditRule
{
    public static long Weigh(Record record) => record.EncodedHeader.Length + record.PayloadLength;
}
