using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>
/// Asks for everything kept of a group to be verified. Answered with any number of <see cref="ScrubProgress"/>, then <see cref="ScrubReport"/> or <see cref="Failure"/>.
/// Sent only to a peer that named the capability <see cref="Capability"/>.
/// </summary>
/// <param name="BytesPerSecond">Most bytes read in a second; 0 for no limit. A peer that does not know the field does not keep to it.</param>
public sealed record Scrub(string Group, long BytesPerSecond = 0) : IMessage
{
    public const string Capability = "scrub";

    public MessageType Type => MessageType.Scrub;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 2);
        writer.WriteString(Group);
        writer.WriteInt64(BytesPerSecond);
    }

    internal static Scrub Read(ref MessageFields fields) => new(fields.Name("scrub group"), fields.HasMore ? fields.Size("scrub rate") : 0);
}
