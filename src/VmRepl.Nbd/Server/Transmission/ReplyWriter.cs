using System.Buffers.Binary;
using System.Text;
using VmRepl.Nbd.Wire;

namespace VmRepl.Nbd.Server;

/// <summary>Lays out answers.</summary>
/// <remarks>
/// <code>
/// simple                                     structured, one chunk
/// Offset Size Field                          Offset Size Field
///      0    4 magic 0x67446698                    0    4 magic 0x668e33ef
///      4    4 error                               4    2 flags: bit 0, the last chunk
///      8    8 cookie                              6    2 kind
///     16      total; a read's data follows        8    8 cookie
///                                                16    4 length of what follows
///                                                20      total
/// </code>
/// Data: 8 bytes of offset, then the contents. Block status: 4 bytes of context, then 8 for each extent. Error: 4 bytes of error, 2 of length, a sentence.
/// </remarks>
internal static class ReplyWriter
{
    public const int SimpleSize = 16;
    public const int ChunkSize = 20;

    /// <summary>What stands before the contents that a structured read brings.</summary>
    public const int DataHeadSize = ChunkSize + 8;

    private const ushort Done = 1;
    private const int ErrorHeadSize = 6;
    private const int SentenceBytesMax = 400;

    public const int ErrorSizeMax = ChunkSize + ErrorHeadSize + SentenceBytesMax;

    public static void WriteSimple(Span<byte> target, ulong cookie, NbdError error)
    {
        BinaryPrimitives.WriteUInt32BigEndian(target, NbdMagic.SimpleReply);
        BinaryPrimitives.WriteUInt32BigEndian(target[4..], (uint)error);
        BinaryPrimitives.WriteUInt64BigEndian(target[8..], cookie);
    }

    public static void WriteChunk(Span<byte> target, ulong cookie, NbdChunk kind, bool isLast, int length)
    {
        BinaryPrimitives.WriteUInt32BigEndian(target, NbdMagic.StructuredReply);
        BinaryPrimitives.WriteUInt16BigEndian(target[4..], isLast ? Done : (ushort)0);
        BinaryPrimitives.WriteUInt16BigEndian(target[6..], (ushort)kind);
        BinaryPrimitives.WriteUInt64BigEndian(target[8..], cookie);
        BinaryPrimitives.WriteInt32BigEndian(target[16..], length);
    }

    public static void WriteDataHead(Span<byte> target, ulong cookie, bool isLast, long offset, int length)
    {
        WriteChunk(target, cookie, NbdChunk.OffsetData, isLast, 8 + length);
        BinaryPrimitives.WriteInt64BigEndian(target[ChunkSize..], offset);
    }

    /// <returns>Bytes written; at most <see cref="ErrorSizeMax"/>.</returns>
    public static int WriteError(Span<byte> target, ulong cookie, NbdError error, string reason)
    {
        var sentence = Encoding.UTF8.GetBytes(reason).AsSpan();
        if (sentence.Length > SentenceBytesMax) sentence = sentence[..SentenceBytesMax];
        WriteChunk(target, cookie, NbdChunk.Error, isLast: true, ErrorHeadSize + sentence.Length);
        BinaryPrimitives.WriteUInt32BigEndian(target[ChunkSize..], (uint)error);
        BinaryPrimitives.WriteUInt16BigEndian(target[(ChunkSize + 4)..], (ushort)sentence.Length);
        sentence.CopyTo(target[(ChunkSize + ErrorHeadSize)..]);
        return ChunkSize + ErrorHeadSize + sentence.Length;
    }
}
