using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>Serve a group's disks as of a moment as block devices, until it is detached. Answered with <see cref="Attached"/> or <see cref="Failure"/>.</summary>
/// <param name="At"><c>latest</c>, an ISO 8601 time, a sequence or a bookmark.</param>
/// <param name="Writable">Each disk gets a scratch layer for what is written.</param>
/// <param name="Leased">It ends with this connection; otherwise it stays until it is detached.</param>
public sealed record AttachGroup(string Group, string At, bool Writable, bool Leased) : IMessage
{
    /// <summary>Whoever answers it and its kin says so in its greeting.</summary>
    public const string Capability = "attach";

    public MessageType Type => MessageType.AttachGroup;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 4);
        writer.WriteString(Group);
        writer.WriteString(At);
        writer.WriteBoolean(Writable);
        writer.WriteBoolean(Leased);
    }

    internal static AttachGroup Read(ref MessageFields fields) => new(fields.Name("attach group"), fields.Word("attach point"), fields.Boolean("attach writable"), fields.Boolean("attach leased"));
}
