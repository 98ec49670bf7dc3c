using VmRepl.Protocol.MessagePack;
using VmRepl.Protocol.Records;

namespace VmRepl.Protocol.Messages;

/// <summary>Contents of a first transfer. They have no sequence and no past, go to the live images, and count against the credit like any other.</summary>
/// <param name="Previous">What went before on this connection, a record of the stream or of a baseline; before the first, what was durable when it began. A batch that got lost shows here.</param>
/// <param name="Records">At least one. Their sequences ascend and are all above <paramref name="Previous"/>.</param>
public sealed record BaselineBatch(ulong Previous, Record[] Records) : PayloadMessage
{
    public override MessageType Type => MessageType.BaselineBatch;

    public override void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 2);
        writer.WriteUInt64(Previous);
        writer.WriteRecords(Records);
    }

    internal static BaselineBatch Read(ref MessageFields fields)
    {
        var batch = new BaselineBatch(fields.UInt64("baseline previous"), fields.Records("baseline records"));
        if (batch.Records.Length == 0) throw fields.Wrong("baseline records", "at least one", "none");
        RecordBatch.CheckAscending("baseline records", batch.Previous, batch.Records, ref fields);
        return batch;
    }
}
