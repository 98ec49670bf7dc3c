using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>A pair of the VM's definition as it was at a point.</summary>
/// <param name="Value">Opaque.</param>
public sealed record MetadataEntry(string Key, byte[] Value)
{
    internal void WriteTo(MessagePackWriter writer)
    {
        writer.WriteArrayHeader(2);
        writer.WriteString(Key);
        writer.WriteBinary(Value);
    }

    internal static MetadataEntry Read(ref MessageFields fields)
    {
        var outer = fields.Enter("metadata entry");
        var entry = new MetadataEntry(
            fields.String("metadata key", MessageLimits.MaxMetadataKeyBytes), fields.Binary("metadata value", MessageLimits.MaxMetadataValueBytes).ToArray());
        fields.Leave(outer);
        return entry;
    }
}
