using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>Asks what is known of a group's last scrub, and between which points it can be had. Answered with <see cref="ScrubState"/> or <see cref="Failure"/>. Sent only to a peer that named the capability <see cref="Capability"/>.</summary>
public sealed record AskScrubState(string Group) : IMessage
{
    public const string Capability = "scrub-state";

    public MessageType Type => MessageType.AskScrubState;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 1);
        writer.WriteString(Group);
    }

    internal static AskScrubState Read(ref MessageFields fields) => new(fields.Name("scrub state group"));
}
