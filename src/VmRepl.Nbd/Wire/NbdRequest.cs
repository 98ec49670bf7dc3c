using System.Buffers.Binary;

namespace VmRepl.Nbd.Wire;

/// <summary>The head of a request.</summary>
/// <remarks>
/// <code>
/// Offset Size Field
///      0    4 magic 0x25609513
///      4    2 flags
///      6    2 command
///      8    8 cookie: comes back with the answer
///     16    8 offset in the export, bytes
///     24    4 length, bytes
///     28      total; a write's payload follows
/// </code>
/// </remarks>
internal readonly record struct NbdRequest(NbdCommandFlags Flags, NbdCommand Command, ulong Cookie, ulong Offset, uint Length)
{
    public const int Size = 28;

    /// <returns>False where the magic is another: the stream cannot be trusted from here on.</returns>
    public static bool TryRead(ReadOnlySpan<byte> head, out NbdRequest request)
    {
        request = new NbdRequest(
            (NbdCommandFlags)BinaryPrimitives.ReadUInt16BigEndian(head[4..]), (NbdCommand)BinaryPrimitives.ReadUInt16BigEndian(head[6..]),
            BinaryPrimitives.ReadUInt64BigEndian(head[8..]), BinaryPrimitives.ReadUInt64BigEndian(head[16..]), BinaryPrimitives.ReadUInt32BigEndian(head[24..]));
        return BinaryPrimitives.ReadUInt32BigEndian(head) == NbdMagic.Request;
    }

    public void Write(Span<byte> head)
    {
        BinaryPrimitives.WriteUInt32BigEndian(head, NbdMagic.Request);
        BinaryPrimitives.WriteUInt16BigEndian(head[4..], (ushort)Flags);
        BinaryPrimitives.WriteUInt16BigEndian(head[6..], (ushort)Command);
        BinaryPrimitives.WriteUInt64BigEndian(head[8..], Cookie);
        BinaryPrimitives.WriteUInt64BigEndian(head[16..], Offset);
        BinaryPrimitives.WriteUInt32BigEndian(head[24..], Length);
    }
}
