using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>The clones of a group, oldest first.</summary>
public sealed record CloneList(string Group, KeptClone[] Clones) : IMessage
{
    public MessageType Type => MessageType.CloneList;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 2);
        writer.WriteString(Group);
        writer.WriteArrayHeader(Clones.Length);
        foreach (var clone in Clones) clone.WriteTo(writer);
    }

    internal static CloneList Read(ref MessageFields fields)
    {
        var group = fields.Name("clone list group");
        var outer = fields.Enter("clones", MessageLimits.MaxClones, out var count);
        var clones = new KeptClone[count];
        for (var i = 0; i < count; i++) clones[i] = KeptClone.Read(ref fields);
        fields.Leave(outer);
        return new CloneList(group, clones);
    }
}
