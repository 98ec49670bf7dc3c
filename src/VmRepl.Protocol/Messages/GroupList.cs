using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>The answer to <see cref="ListGroups"/>.</summary>
public sealed record GroupList(GroupSummary[] Groups) : IMessage
{
    public MessageType Type => MessageType.GroupList;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 1);
        writer.WriteArrayHeader(Groups.Length);
        foreach (var group in Groups) group.WriteTo(writer);
    }

    internal static GroupList Read(ref MessageFields fields)
    {
        var outer = fields.Enter("group list", MessageLimits.MaxGroups, out var count);
        var groups = new GroupSummary[count];
        for (var i = 0; i < count; i++) groups[i] = GroupSummary.Read(ref fields);
        fields.Leave(outer);
        return new GroupList(groups);
    }
}
