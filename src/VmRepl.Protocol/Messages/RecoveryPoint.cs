using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>A sequence at which a group is consistent.</summary>
/// <param name="TimeUs">Microseconds since 1970 UTC, source clock.</param>
/// <param name="Bookmark">Its name, or null.</param>
/// <param name="Consistency"><c>crash</c> or <c>application</c>.</param>
public sealed record RecoveryPoint(ulong Sequence, long TimeUs, string? Bookmark, string Consistency)
{
    /// <summary>Bytes of the group's disks that have to be put back to go back to the point; null where that was not asked about.</summary>
    public long? RewindBytes { get; init; }

    /// <summary>How long that would take, in milliseconds; null where no rate is known.</summary>
    public long? RewindMs { get; init; }

    internal void WriteTo(MessagePackWriter writer)
    {
        writer.WriteArrayHeader(6);
        writer.WriteUInt64(Sequence);
        writer.WriteInt64(TimeUs);
        writer.WriteOptionalString(Bookmark);
        writer.WriteString(Consistency);
        writer.WriteOptionalInt64(RewindBytes);
        writer.WriteOptionalInt64(RewindMs);
    }

    internal static RecoveryPoint Read(ref MessageFields fields)
    {
        var outer = fields.Enter("recovery point");
        var point = new RecoveryPoint(
            fields.UInt64("point sequence"), fields.Int64("point time"), fields.OptionalName("point bookmark"), fields.Word("point consistency"))
        {
            RewindBytes = fields.OptionalSize("point rewind bytes"),
            RewindMs = fields.OptionalSize("point rewind time"),
        };
        fields.Leave(outer);
        return point;
    }
}
