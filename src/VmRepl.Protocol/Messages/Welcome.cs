using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>The answer that accepts a <see cref="Hello"/>.</summary>
/// <param name="Protocol">The version that holds from here on.</param>
/// <param name="Capabilities">What both sides named.</param>
/// <param name="StoreId">Which store this is.</param>
/// <param name="Incarnation">Grows whenever the store is opened anew; with the identity it tells a store that came back with less.</param>
public sealed record Welcome(int Protocol, string[] Capabilities, Guid StoreId, ulong Incarnation, string Software) : IMessage
{
    public MessageType Type => MessageType.Welcome;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 5);
        writer.WriteInt32(Protocol);
        writer.WriteWords(Capabilities);
        writer.WriteGuid(StoreId);
        writer.WriteUInt64(Incarnation);
        writer.WriteString(Software);
    }

    internal static Welcome Read(ref MessageFields fields) =>
        new(
            fields.Int32("welcome protocol", 1, int.MaxValue), fields.Words("welcome capabilities", MessageLimits.MaxCapabilities), fields.Guid("welcome store id"),
            fields.UInt64("welcome incarnation"), fields.Text("welcome software"));
}
