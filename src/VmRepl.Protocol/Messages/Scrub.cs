using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>
/// Asks for everything kept of a group to be verified. Answered with any number of <see cref="ScrubProgress"/>, then <see cref="ScrubReport"/> or <see cref="Failure"/>.
/// Sent only to a peer that named the capability <see cref="Capability"/>.
/// </summary>
public sealed record Scrub(string Group) : IMessage
{
    public const string Capability = "scrub";

    public MessageType Type => MessageType.Scrub;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 1);
        writer.WriteString(Group);
    }

    internal static Scrub Read(ref MessageFields fields) => new(fields.Name("scrub group"));
}
