using System.Buffers.Binary;
using System.Text;
using VmRepl.Nbd.Transport;
using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Server;

/// <summary>Answers to options.</summary>
/// <remarks>
/// <code>
/// Offset Size Field
///      0    8 magic 0x0003e889045565a9
///      8    4 option
///     12    4 kind
///     16    4 length of the data
///     20      total; the data follows
/// </code>
/// </remarks>
internal sealed class OptionAnswers(INbdTransport transport)
{
    private const int HeadSize = 20;

    public void Send(NbdOption option, NbdOptionReply kind, ReadOnlySpan<byte> data = default)
    {
        var answer = new byte[HeadSize + data.Length];
        BinaryPrimitives.WriteUInt64BigEndian(answer, NbdMagic.OptionReply);
        BinaryPrimitives.WriteUInt32BigEndian(answer.AsSpan(8), (uint)option);
        BinaryPrimitives.WriteUInt32BigEndian(answer.AsSpan(12), (uint)kind);
        BinaryPrimitives.WriteInt32BigEndian(answer.AsSpan(16), data.Length);
        data.CopyTo(answer.AsSpan(HeadSize));
        transport.Send(answer);
    }

    public void Refuse(NbdOption option, NbdOptionReply kind, string sentence) => Send(option, kind, Encoding.UTF8.GetBytes(sentence));

    /// <summary>An export of the list: 4 bytes of length, the name, and a description.</summary>
    public void SendName(string name)
    {
        var text = Encoding.UTF8.GetBytes(name);
        var data = new byte[4 + text.Length];
        BinaryPrimitives.WriteInt32BigEndian(data, text.Length);
        text.CopyTo(data.AsSpan(4));
        Send(NbdOption.List, NbdOptionReply.Server, data);
    }

    public void SendExport(NbdOption option, ExportFacts facts)
    {
        Span<byte> data = stackalloc byte[12];
        BinaryPrimitives.WriteUInt16BigEndian(data, (ushort)NbdInfo.Export);
        BinaryPrimitives.WriteInt64BigEndian(data[2..], facts.Length);
        BinaryPrimitives.WriteUInt16BigEndian(data[10..], (ushort)facts.Flags);
        Send(option, NbdOptionReply.Info, data);
    }

    public void SendBlockSize(NbdOption option, ExportFacts facts)
    {
        Span<byte> data = stackalloc byte[14];
        BinaryPrimitives.WriteUInt16BigEndian(data, (ushort)NbdInfo.BlockSize);
        BinaryPrimitives.WriteInt32BigEndian(data[2..], ExportFacts.BlockBytesMin);
        BinaryPrimitives.WriteInt32BigEndian(data[6..], facts.BlockBytesPreferred);
        BinaryPrimitives.WriteInt32BigEndian(data[10..], NbdLimits.PayloadBytesMax);
        Send(option, NbdOptionReply.Info, data);
    }

    public void SendText(NbdOption option, NbdInfo kind, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        var data = new byte[2 + bytes.Length];
        BinaryPrimitives.WriteUInt16BigEndian(data, (ushort)kind);
        bytes.CopyTo(data.AsSpan(2));
        Send(option, NbdOptionReply.Info, data);
    }

    public void SendContext(NbdOption option, uint id, string name)
    {
        var text = Encoding.UTF8.GetBytes(name);
        var data = new byte[4 + text.Length];
        BinaryPrimitives.WriteUInt32BigEndian(data, id);
        text.CopyTo(data.AsSpan(4));
        Send(option, NbdOptionReply.MetaContext, data);
    }
}
