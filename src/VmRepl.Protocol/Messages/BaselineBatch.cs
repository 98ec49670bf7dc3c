using VmRepl.Protocol.MessagePack;
using VmRepl.Protocol.Records;

namespace VmRepl.Protocol.Messages;

/// <summary>Contents of a first transfer. They have no sequence and no past, go to the live images, and count against the credit like any other.</summary>
/// <param name="Records">At least one.</param>
public sealed record BaselineBatch(Record[] Records) : PayloadMessage
{
    public override MessageType Type => MessageType.BaselineBatch;

    public override void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 1);
        writer.WriteRecords(Records);
    }

    internal static BaselineBatch Read(ref MessageFields fields)
    {
        var batch = new BaselineBatch(fields.Records("baseline records"));
        return batch.Records.Length > 0 ? batch : throw fields.Wrong("baseline records", "at least one", "none");
    }
}
