using VmRepl.Blocks;
using VmRepl.Protocol.MessagePack;
using VmRepl.Protocol.Records;

namespace VmRepl.Protocol.Messages;

/// <summary>The other half of <see cref="MessageFields"/>: how each kind of field is written.</summary>
internal static class MessageWriting
{
    public static void WriteHead(this MessagePackWriter writer, MessageType type, int fields)
    {
        writer.WriteArrayHeader(1 + fields);
        writer.WriteUInt32((uint)type);
    }

    public static void WriteGuid(this MessagePackWriter writer, Guid value)
    {
        Span<byte> bytes = stackalloc byte[16];
        value.TryWriteBytes(bytes, bigEndian: true, out _);
        writer.WriteBinary(bytes);
    }

    public static void WriteWords(this MessagePackWriter writer, IReadOnlyList<string> words)
    {
        writer.WriteArrayHeader(words.Count);
        foreach (var word in words) writer.WriteString(word);
    }

    public static void WriteOptionalString(this MessagePackWriter writer, string? text)
    {
        if (text is null) writer.WriteNil();
        else writer.WriteString(text);
    }

    public static void WriteOptionalInt64(this MessagePackWriter writer, long? value)
    {
        if (value is null) writer.WriteNil();
        else writer.WriteInt64(value.Value);
    }

    public static void WriteExtents(this MessagePackWriter writer, IReadOnlyList<Extent> extents)
    {
        writer.WriteArrayHeader(checked(2 * extents.Count));
        long end = 0;
        foreach (var extent in extents) end = writer.WriteExtentAfter(extent.Offset, extent.Length, end);
    }

    /// <summary>Returns the extent's end, which the next one is counted from.</summary>
    /// <exception cref="ArgumentException">It is empty or begins before that end: the far side would refuse it.</exception>
    public static long WriteExtentAfter(this MessagePackWriter writer, long offset, long length, long previousEnd)
    {
        if (length <= 0 || offset < previousEnd) throw new ArgumentException($"extents ascend and are not empty; {length} bytes at {offset} after {previousEnd}");
        writer.WriteInt64(offset - previousEnd);
        writer.WriteInt64(length);
        return offset + length;
    }

    public static void WriteRecords(this MessagePackWriter writer, IReadOnlyList<Record> records)
    {
        writer.WriteArrayHeader(records.Count);
        foreach (var record in records) record.WriteTo(writer);
    }

    public static void WriteDisks(this MessagePackWriter writer, IReadOnlyList<DiskDeclaration> disks)
    {
        writer.WriteArrayHeader(disks.Count);
        foreach (var disk in disks) disk.WriteTo(writer);
    }
}
