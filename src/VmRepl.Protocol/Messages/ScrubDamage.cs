using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>Something that a scrub found damaged.</summary>
/// <param name="Disk">The disk's name, or null where no disk's sectors are concerned.</param>
/// <param name="FirstSector">First sector of 512 bytes.</param>
/// <param name="SectorCount">How many; 0 where no disk is concerned.</param>
/// <param name="Where">What is damaged, for people; at most <see cref="MessageLimits.MaxTextBytes"/> bytes.</param>
/// <param name="PointCount">Points that it spoils; at most <see cref="MessageLimits.MaxDamagePoints"/> of them are listed.</param>
public sealed record ScrubDamage(string? Disk, long FirstSector, long SectorCount, string Where, long PointCount, RecoveryPoint[] Points)
{
    internal void WriteTo(MessagePackWriter writer)
    {
        writer.WriteArrayHeader(6);
        writer.WriteOptionalString(Disk);
        writer.WriteInt64(FirstSector);
        writer.WriteInt64(SectorCount);
        writer.WriteString(Where);
        writer.WriteInt64(PointCount);
        writer.WriteArrayHeader(Points.Length);
        foreach (var point in Points) point.WriteTo(writer);
    }

    internal static ScrubDamage Read(ref MessageFields fields)
    {
        var outer = fields.Enter("scrub damage");
        var (disk, first, sectors) = (fields.OptionalName("damage disk"), fields.Size("damage first sector"), fields.Size("damage sector count"));
        var (where, count) = (fields.Text("damage place"), fields.Size("damage point count"));
        var inner = fields.Enter("damage points", MessageLimits.MaxDamagePoints, out var listed);
        var points = new RecoveryPoint[listed];
        for (var i = 0; i < listed; i++) points[i] = RecoveryPoint.Read(ref fields);
        fields.Leave(inner);
        fields.Leave(outer);
        if (count < listed) throw fields.Wrong("damage point count", $"at least {listed}", $"{count}");
        return new ScrubDamage(disk, first, sectors, where, count, points);
    }
}
