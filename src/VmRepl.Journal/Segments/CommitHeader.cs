using VmRepl.Protocol;
using VmRepl.Protocol.MessagePack;

namespace VmRepl.Journal.Segments;

/// <summary>What a commit says before its records.</summary>
/// <param name="Serial">The segment's serial: a commit left from an earlier use of a recycled file has another one.</param>
/// <param name="Nonce">The segment's nonce.</param>
/// <param name="Incarnation">Grows each time the store is opened for writing; it never goes back along the journal.</param>
/// <param name="Index">Counts the commits of a segment from 0.</param>
/// <param name="Previous">Checksum of the commit before, over segments; 0 for a group's first.</param>
/// <param name="Records">Records that follow.</param>
internal readonly record struct CommitHeader(ulong Serial, ulong Nonce, ulong Incarnation, uint Index, uint Previous, int Records)
{
    /// <summary>The most bytes that <see cref="WriteTo"/> writes: array(6), three uint64, three uint32.</summary>
    public const int BytesMax = 1 + (3 * 9) + (3 * 5);

    private const int Fields = 6;

    public void WriteTo(MessagePackWriter writer)
    {
        writer.WriteArrayHeader(Fields);
        writer.WriteUInt64(Serial);
        writer.WriteUInt64(Nonce);
        writer.WriteUInt64(Incarnation);
        writer.WriteUInt32(Index);
        writer.WriteUInt32(Previous);
        writer.WriteInt32(Records);
    }

    public static CommitHeader Read(ref MessagePackReader reader)
    {
        var fields = reader.ReadArrayHeader("commit");
        var header = new CommitHeader(reader.ReadUInt64("serial"), reader.ReadUInt64("nonce"), reader.ReadUInt64("incarnation"), reader.ReadUInt32("index"), reader.ReadUInt32("previous"), reader.ReadInt32("records"));
        for (var i = Fields; i < fields; i++) reader.Skip();
        return header;
    }

    /// <summary>
    /// Whether these bytes begin a commit of that use of that segment. Asked before anything else is read: what stands in a recycled file may be a guest's bytes,
    /// and a guest does not know the nonce.
    /// </summary>
    public static bool IsOf(ReadOnlySpan<byte> body, SegmentHeader segment)
    {
        try
        {
            var reader = new MessagePackReader(body);
            return reader.ReadArrayHeader() >= Fields && reader.ReadUInt64() == segment.Serial && reader.ReadUInt64() == segment.Nonce;
        }
        catch (ProtocolException)
        {
            return false;
        }
    }
}
