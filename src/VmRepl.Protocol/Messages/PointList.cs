using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>The answer to <see cref="ListPoints"/>: the recovery points that records made, oldest first.</summary>
public sealed record PointList(string Group, RecoveryPoint[] Points) : IMessage
{
    public MessageType Type => MessageType.PointList;

    /// <summary>The stretches in which every sequence is a point, oldest first, none of which overlap; none where the replica is of a release that knows of none.</summary>
    public PointRun[] Runs { get; init; } = [];

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 3);
        writer.WriteString(Group);
        writer.WriteArrayHeader(Points.Length);
        foreach (var point in Points) point.WriteTo(writer);
        writer.WriteArrayHeader(Runs.Length);
        foreach (var run in Runs) run.WriteTo(writer);
    }

    internal static PointList Read(ref MessageFields fields)
    {
        var group = fields.Name("point list group");
        var outer = fields.Enter("point list", MessageLimits.MaxPoints, out var count);
        var points = new RecoveryPoint[count];
        for (var i = 0; i < count; i++) points[i] = RecoveryPoint.Read(ref fields);
        fields.Leave(outer);
        return new PointList(group, points) { Runs = fields.HasMore ? ReadRuns(ref fields) : [] };
    }

    private static PointRun[] ReadRuns(ref MessageFields fields)
    {
        var outer = fields.Enter("point runs", MessageLimits.MaxPoints, out var count);
        var runs = new PointRun[count];
        for (var i = 0; i < count; i++) runs[i] = PointRun.Read(ref fields);
        fields.Leave(outer);
        return runs;
    }
}
