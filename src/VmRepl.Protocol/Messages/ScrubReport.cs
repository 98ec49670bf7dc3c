using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>What a scrub found.</summary>
/// <param name="ScannedBytes">Bytes read.</param>
/// <param name="RegionsVerified">Regions of live images compared with their digest.</param>
/// <param name="RegionsNew">Regions whose digest was taken.</param>
/// <param name="RegionsUnverified">Regions without a digest where none could be taken.</param>
/// <param name="DurationUs">Microseconds that it took.</param>
/// <param name="DamageCount">How much damage there is; at most <see cref="MessageLimits.MaxDamage"/> of it is listed.</param>
public sealed record ScrubReport(string Group, long ScannedBytes, long RegionsVerified, long RegionsNew, long RegionsUnverified, long DurationUs, long DamageCount, ScrubDamage[] Damage) : IMessage
{
    public MessageType Type => MessageType.ScrubReport;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 8);
        writer.WriteString(Group);
        writer.WriteInt64(ScannedBytes);
        writer.WriteInt64(RegionsVerified);
        writer.WriteInt64(RegionsNew);
        writer.WriteInt64(RegionsUnverified);
        writer.WriteInt64(DurationUs);
        writer.WriteInt64(DamageCount);
        writer.WriteArrayHeader(Damage.Length);
        foreach (var damage in Damage) damage.WriteTo(writer);
    }

    internal static ScrubReport Read(ref MessageFields fields)
    {
        var (group, scanned, verified) = (fields.Name("scrub group"), fields.Size("scrub scanned bytes"), fields.Size("scrub regions verified"));
        var (taken, unverified, duration, count) = (fields.Size("scrub regions new"), fields.Size("scrub regions unverified"), fields.Size("scrub duration"), fields.Size("scrub damage count"));
        var outer = fields.Enter("scrub damage", MessageLimits.MaxDamage, out var listed);
        var damage = new ScrubDamage[listed];
        for (var i = 0; i < listed; i++) damage[i] = ScrubDamage.Read(ref fields);
        fields.Leave(outer);
        // A count of 0 beside a list would pass for a sound group.
        if (count < listed) throw fields.Wrong("scrub damage count", $"at least {listed}", $"{count}");
        return new ScrubReport(group, scanned, verified, taken, unverified, duration, count, damage);
    }
}
