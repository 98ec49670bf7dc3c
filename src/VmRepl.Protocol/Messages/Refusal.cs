using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>The connection, or the group it wanted, is not had; the sender closes after it.</summary>
/// <param name="Code">One of <see cref="RefusalCode"/>.</param>
/// <param name="Message">One sentence: what, which group, why.</param>
/// <param name="Hint">One sentence: the next step; may be empty.</param>
public sealed record Refusal(string Code, string Message, string Hint) : IMessage
{
    public MessageType Type => MessageType.Refusal;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 3);
        writer.WriteString(Code);
        writer.WriteString(Message);
        writer.WriteString(Hint);
    }

    internal static Refusal Read(ref MessageFields fields) =>
        new(fields.Word("refusal code"), fields.Text("refusal message"), fields.Text("refusal hint"));
}
