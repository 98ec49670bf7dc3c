using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>
/// The replica has no room for what it was sent and waits for some: it grants no credit and acknowledges nothing until there is, and goes on by itself then. Sent when the waiting begins and when its reason changes.
/// Only to a peer that named the capability <see cref="Capability"/>; another one gets a <see cref="Failure"/>.
/// </summary>
/// <param name="Reason">One sentence.</param>
public sealed record NoRoom(string Reason) : IMessage
{
    public const string Capability = "wait-for-room";

    public MessageType Type => MessageType.NoRoom;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 1);
        writer.WriteString(Reason);
    }

    internal static NoRoom Read(ref MessageFields fields) => new(fields.Text("no room reason"));
}
