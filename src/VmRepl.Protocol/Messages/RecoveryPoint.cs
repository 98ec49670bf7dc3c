using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>A sequence at which a group is consistent.</summary>
/// <param name="TimeUs">Microseconds since 1970 UTC, source clock.</param>
/// <param name="Bookmark">Its name, or null.</param>
/// <param name="Consistency"><c>crash</c> or <c>application</c>.</param>
public sealed record RecoveryPoint(ulong Sequence, long TimeUs, string? Bookmark, string Consistency)
{
    internal void WriteTo(MessagePackWriter writer)
    {
        writer.WriteArrayHeader(4);
        writer.WriteUInt64(Sequence);
        writer.WriteInt64(TimeUs);
        writer.WriteOptionalString(Bookmark);
        writer.WriteString(Consistency);
    }

    internal static RecoveryPoint Read(ref MessageFields fields)
    {
        var outer = fields.Enter("recovery point");
        var point = new RecoveryPoint(
            fields.UInt64("point sequence"), fields.Int64("point time"), fields.OptionalName("point bookmark"), fields.Word("point consistency"));
        fields.Leave(outer);
        return point;
    }
}
