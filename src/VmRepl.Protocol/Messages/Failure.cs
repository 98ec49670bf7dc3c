using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>The answer to a request that could not be met; the connection goes on.</summary>
/// <param name="Code">One of <see cref="RefusalCode"/>.</param>
/// <param name="Message">One sentence: what, which group, why.</param>
/// <param name="Hint">One sentence: the next step; may be empty.</param>
public sealed record Failure(string Code, string Message, string Hint) : IMessage
{
    public MessageType Type => MessageType.Failure;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 3);
        writer.WriteString(Code);
        writer.WriteString(Message);
        writer.WriteString(Hint);
    }

    internal static Failure Read(ref MessageFields fields) =>
        new(fields.Word("failure code"), fields.Text("failure message"), fields.Text("failure hint"));
}
