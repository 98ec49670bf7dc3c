using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>One clone in a <see cref="CloneList"/>.</summary>
/// <param name="Group">The group that holds it.</param>
/// <param name="CloneOf">What it is a clone of.</param>
/// <param name="Point">Sequence of its one recovery point; 0 while it is not whole.</param>
/// <param name="Length">Bytes of its disk.</param>
public sealed record KeptClone(string Group, DeclaredClone CloneOf, ulong Point, long Length)
{
    internal void WriteTo(MessagePackWriter writer)
    {
        writer.WriteArrayHeader(4);
        writer.WriteString(Group);
        CloneOf.WriteTo(writer);
        writer.WriteUInt64(Point);
        writer.WriteInt64(Length);
    }

    internal static KeptClone Read(ref MessageFields fields)
    {
        var outer = fields.Enter("kept clone");
        var clone = new KeptClone(fields.Name("kept clone group"), DeclaredClone.Read(ref fields), fields.UInt64("kept clone point"), fields.Size("kept clone length"));
        fields.Leave(outer);
        return clone;
    }
}
