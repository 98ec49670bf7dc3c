using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>Have the replica keep how a test failover of a group went. Answered with <see cref="Pong"/> or <see cref="Failure"/>.</summary>
public sealed record NoteTest(string Group, FailoverTest Test) : IMessage
{
    public MessageType Type => MessageType.NoteTest;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 2);
        writer.WriteString(Group);
        Test.WriteTo(writer);
    }

    internal static NoteTest Read(ref MessageFields fields) => new(fields.Name("note test group"), FailoverTest.Read(ref fields));
}
