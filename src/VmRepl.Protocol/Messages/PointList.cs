using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>The answer to <see cref="ListPoints"/>: the recovery points, oldest first.</summary>
public sealed record PointList(string Group, RecoveryPoint[] Points) : IMessage
{
    public MessageType Type => MessageType.PointList;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 2);
        writer.WriteString(Group);
        writer.WriteArrayHeader(Points.Length);
        foreach (var point in Points) point.WriteTo(writer);
    }

    internal static PointList Read(ref MessageFields fields)
    {
        var group = fields.Name("point list group");
        var outer = fields.Enter("point list", MessageLimits.MaxPoints, out var count);
        var points = new RecoveryPoint[count];
        for (var i = 0; i < count; i++) points[i] = RecoveryPoint.Read(ref fields);
        fields.Leave(outer);
        return new PointList(group, points);
    }
}
