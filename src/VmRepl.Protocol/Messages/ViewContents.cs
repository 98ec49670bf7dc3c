using VmRepl.Blocks;
using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Messages;

/// <summary>The answer to <see cref="ReadView"/>, all of it or none. Nobody gets one to see whose checksum does not match.</summary>
/// <param name="Payload">As many bytes as were asked for.</param>
/// <param name="Checksum">CRC-32C of the payload, made where it was read from the store.</param>
public sealed record ViewContents(ReadOnlyMemory<byte> Payload, uint Checksum) : PayloadMessage
{
    public override MessageType Type => MessageType.ViewContents;

    public override void WriteTo(MessagePackWriter writer)
    {
        writer.WriteHead(Type, 2);
        writer.WriteBinary(Payload.Span);
        writer.WriteFixedUInt32(Checksum);
    }

    /// <summary>Makes the checksum too.</summary>
    public static ViewContents Of(ReadOnlyMemory<byte> payload) => new(payload, Crc32C.Compute(payload.Span));

    internal static ViewContents Read(ref MessageFields fields)
    {
        var contents = new ViewContents(fields.Memory("view contents", MessageLimits.MaxReadBytes), fields.UInt32("view contents checksum"));
        var computed = Crc32C.Compute(contents.Payload.Span);
        return computed == contents.Checksum ? contents : throw fields.Wrong("view contents checksum", $"{contents.Checksum:x8}", $"{computed:x8}");
    }
}
