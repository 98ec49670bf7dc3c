using VmRepl.Protocol.MessagePack;

namespace VmRepl.Journal.Segments;

/// <summary>What a commit says before its records.</summary>
/// <param name="Serial">The segment's serial: a commit left from an earlier use of a recycled file has another one.</param>
/// <param name="Nonce">The segment's nonce.</param>
/// <param name="Incarnation">Grows each time the store is opened for writing, so that a commit that a crash left behind a torn one never follows a new one.</param>
/// <param name="Index">Counts the commits of a segment from 0.</param>
/// <param name="Previous">Checksum of the commit before, over segments; 0 for a group's first.</param>
/// <param name="Records">Records that follow.</param>
internal readonly record struct CommitHeader(ulong Serial, ulong Nonce, ulong Incarnation, uint Index, uint Previous, int Records)
{
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
}
