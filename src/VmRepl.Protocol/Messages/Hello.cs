using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>The first message of whoever dialled. Everything before the answer is bound by <see cref="Connections.FrameLimits.MaxBeforeWelcomeBytes"/>.</summary>
/// <param name="ProtocolMin">Oldest version spoken.</param>
/// <param name="ProtocolMax">Newest version spoken.</param>
/// <param name="Capabilities">What this side can do beyond the version; only what both name is used.</param>
/// <param name="AgentId">Who dials, for logs: what it may do is said by its certificate.</param>
/// <param name="Software">Name and version, for logs.</param>
/// <param name="Purpose"><see cref="Replicate"/> or <see cref="ReadOnly"/>.</param>
public sealed record Hello(int ProtocolMin, int ProtocolMax, string[] Capabilities, Guid AgentId, string Software, string Purpose) : IMessage
{
    /// <summary>The connection will open a group and send records.</summary>
    public const string Replicate = "replicate";

    /// <summary>The connection only lists and reads.</summary>
    public const string ReadOnly = "read";

    public MessageType Type => MessageType.Hello;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 6);
        writer.WriteInt32(ProtocolMin);
        writer.WriteInt32(ProtocolMax);
        writer.WriteWords(Capabilities);
        writer.WriteGuid(AgentId);
        writer.WriteString(Software);
        writer.WriteString(Purpose);
    }

    internal static Hello Read(ref MessageFields fields)
    {
        var min = fields.Int32("hello protocol min", 1, int.MaxValue);
        var max = fields.Int32("hello protocol max", min, int.MaxValue);
        var hello = new Hello(
            min, max, fields.Words("hello capabilities", MessageLimits.MaxCapabilities), fields.Guid("hello agent id"), fields.Text("hello software"), fields.Word("hello purpose"));
        return hello.Purpose is Replicate or ReadOnly ? hello : throw fields.Wrong("hello purpose", $"{Replicate} or {ReadOnly}", hello.Purpose);
    }
}
