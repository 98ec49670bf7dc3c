using VmRepl.Protocol.MessagePack;
using VmRepl.Protocol.Records;

namespace VmRepl.Protocol.Messages;

/// <summary>Records of the stream, in order. Their sequences ascend and are all above <paramref name="Previous"/>.</summary>
/// <param name="Lane">Which disks' records these are; 0 while a group has one lane.</param>
/// <param name="Previous">The sequence before the first record in this lane: a batch that got lost shows here.</param>
/// <param name="Records">At least one.</param>
public sealed record RecordBatch(uint Lane, ulong Previous, Record[] Records) : PayloadMessage
{
    public override MessageType Type => MessageType.RecordBatch;

    public override void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 3);
        writer.WriteUInt32(Lane);
        writer.WriteUInt64(Previous);
        writer.WriteRecords(Records);
    }

    internal static RecordBatch Read(ref MessageFields fields)
    {
        var batch = new RecordBatch(fields.UInt32("batch lane"), fields.UInt64("batch previous"), fields.Records("batch records"));
        if (batch.Records.Length == 0) throw fields.Wrong("batch records", "at least one", "none");
        CheckAscending("batch records", batch.Previous, batch.Records, ref fields);
        return batch;
    }

    internal static void CheckAscending(string field, ulong previous, Record[] records, ref MessageFields fields)
    {
        foreach (var record in records)
        {
            if (record.Header.Sequence <= previous) throw fields.Wrong(field, $"a sequence above {previous}", $"{record.Header.Sequence}");
            previous = record.Header.Sequence;
        }
    }
}
