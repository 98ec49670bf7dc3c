using System.Globalization;
using VmRepl.Blocks;
using VmRepl.Protocol.MessagePack;
using VmRepl.Protocol.Names;
using VmRepl.Protocol.Records;

namespace VmRepl.Protocol.Messages;

/// <summary>
/// Reads the fields of one message in order. A field that is not there is an error, fields beyond those that are known come from a newer
/// version and are passed over; the same holds for the items of a list, which are arrays of fields themselves.
/// </summary>
internal ref struct MessageFields
{
    private readonly ReadOnlyMemory<byte> source;
    private MessagePackReader reader;
    private int left;

    /// <param name="body">A frame's body, all of it.</param>
    public MessageFields(ReadOnlyMemory<byte> body)
    {
        source = body;
        reader = new MessagePackReader(body.Span);
        left = reader.ReadArrayHeader("message");
        Type = (MessageType)Math.Min(UInt32("message type"), byte.MaxValue);
    }

    public MessageType Type { get; }

    /// <summary>Whether fields are left: one that was added to a message later may be missing.</summary>
    public readonly bool HasMore => left > 0;

    public readonly ProtocolException Wrong(string field, string expected, string found) => reader.Wrong(field, expected, found);

    /// <summary>Goes into the field's own array. Returns what <see cref="Leave"/> needs.</summary>
    public int Enter(string field, int maxCount, out int count)
    {
        Next(field);
        count = reader.ReadArrayHeader(maxCount, field);
        var outer = left;
        left = count;
        return outer;
    }

    /// <inheritdoc cref="Enter(string, int, out int)"/>
    public int Enter(string field) => Enter(field, int.MaxValue, out _);

    /// <summary>Comes back from <see cref="Enter(string)"/>, over whatever was not read in there.</summary>
    public void Leave(int outer)
    {
        for (; left > 0; left--) reader.Skip("field of a newer version");
        left = outer;
    }

    /// <summary>Passes over fields of a newer version; nothing may follow the message.</summary>
    public void End()
    {
        Leave(0);
        reader.ExpectEnd("message");
    }

    public bool Boolean(string field)
    {
        Next(field);
        return reader.ReadBoolean(field);
    }

    public uint UInt32(string field)
    {
        Next(field);
        return reader.ReadUInt32(field);
    }

    public ulong UInt64(string field)
    {
        Next(field);
        return reader.ReadUInt64(field);
    }

    /// <summary>An integer within bounds, both inclusive.</summary>
    public int Int32(string field, int least, int most)
    {
        Next(field);
        var value = reader.ReadInt32(field);
        return value >= least && value <= most ? value : throw Wrong(field, $"{least} to {most}", value.ToString(CultureInfo.InvariantCulture));
    }

    public long Int64(string field)
    {
        Next(field);
        return reader.ReadInt64(field);
    }

    /// <summary>A size or a place: not negative.</summary>
    public long Size(string field)
    {
        var value = Int64(field);
        return value >= 0 ? value : throw Wrong(field, "no less than 0", value.ToString(CultureInfo.InvariantCulture));
    }

    /// <summary>A word that programs compare.</summary>
    public string Word(string field) => Printable(field, MessageLimits.MaxWordBytes);

    /// <summary>A size, or nil.</summary>
    public long? OptionalSize(string field)
    {
        if (left == 0 || !reader.TryReadNil()) return Size(field);
        left--;
        return null;
    }

    /// <summary>A name by <see cref="NameRule"/>.</summary>
    public string Name(string field)
    {
        Next(field);
        var name = reader.ReadString(MessageLimits.MaxWordBytes, field);
        return NameRule.IsValid(name) ? name : throw Wrong(field, NameRule.Text, "another");
    }

    /// <summary>A sentence for people.</summary>
    public string Text(string field) => Printable(field, MessageLimits.MaxTextBytes);

    /// <summary>A name by <see cref="NameRule"/>, or nil.</summary>
    public string? OptionalName(string field)
    {
        if (left > 0 && reader.TryReadNil())
        {
            left--;
            return null;
        }

        return Name(field);
    }

    /// <summary>Whether the next field is nil, which is passed over then.</summary>
    public bool IsNil()
    {
        if (left == 0 || !reader.TryReadNil()) return false;
        left--;
        return true;
    }

    public string String(string field, int maxBytes)
    {
        Next(field);
        return reader.ReadString(maxBytes, field);
    }

    public Guid Guid(string field)
    {
        var bytes = Binary(field, 16);
        return bytes.Length == 16 ? new Guid(bytes, bigEndian: true) : throw Wrong(field, "16 bytes", $"{bytes.Length}");
    }

    public ReadOnlySpan<byte> Binary(string field, int maxBytes)
    {
        Next(field);
        return reader.ReadBinary(maxBytes, field);
    }

    /// <summary>A bin as a part of the frame's own memory.</summary>
    public ReadOnlyMemory<byte> Memory(string field, int maxBytes)
    {
        var length = Binary(field, maxBytes).Length;
        return source.Slice(reader.Position - length, length);
    }

    public string[] Words(string field, int maxCount)
    {
        var outer = Enter(field, maxCount, out var count);
        var words = new string[count];
        for (var i = 0; i < count; i++) words[i] = Word(field);
        Leave(outer);
        return words;
    }

    public string[] Strings(string field, int maxCount, int maxBytes)
    {
        var outer = Enter(field, maxCount, out var count);
        var strings = new string[count];
        for (var i = 0; i < count; i++) strings[i] = String(field, maxBytes);
        Leave(outer);
        return strings;
    }

    /// <summary>Extents in ascending order that do not overlap: for each, the bytes from the last one's end, and its length.</summary>
    public Extent[] Extents(string field)
    {
        var outer = Enter(field, 2 * MessageLimits.MaxExtents, out var count);
        if ((count & 1) != 0) throw Wrong(field, "pairs", $"{count} numbers");
        var extents = new Extent[count / 2];
        long end = 0;
        for (var i = 0; i < extents.Length; i++)
        {
            extents[i] = ExtentAfter(field, end);
            end = extents[i].End;
        }

        Leave(outer);
        return extents;
    }

    /// <summary>One extent as <see cref="Extents"/> has them; never empty.</summary>
    public Extent ExtentAfter(string field, long previousEnd)
    {
        long gap = Size(field), length = Size(field);
        if (length == 0 || gap > long.MaxValue - previousEnd || length > long.MaxValue - previousEnd - gap)
            throw Wrong(field, "an extent that is not empty and ends below 2^63", $"{length} bytes, {gap} after {previousEnd}");
        return new Extent(previousEnd + gap, length);
    }

    /// <summary>Records with their payloads, each kept in the frame's own memory. The payloads are not verified here.</summary>
    public Record[] Records(string field)
    {
        var outer = Enter(field, MessageLimits.MaxRecords, out var count);
        var records = new Record[count];
        for (var i = 0; i < count; i++)
        {
            Next(field);
            var record = Record.Read(ref reader, source, out var place);
            if (place >= 0) throw Wrong(field, "a payload inside the record", $"a place, {place}");
            if (record.Header.Kind >= RecordKind.Undo) throw Wrong(field, "a kind that travels", $"{record.Header.Kind}");
            records[i] = record;
        }

        Leave(outer);
        return records;
    }

    private void Next(string field)
    {
        if (left == 0) throw Wrong(field, "a field", "the end of the message");
        left--;
    }

    // Peers' words end up on terminals and in logs, so nothing in them may steer one.
    private string Printable(string field, int maxBytes)
    {
        Next(field);
        var text = reader.ReadString(maxBytes, field);
        return text.AsSpan().ContainsAnyInRange('\0', '\u001f') || text.AsSpan().ContainsAnyInRange('\u007f', '\u009f')
            ? string.Create(text.Length, text, static (to, from) =>
            {
                for (var i = 0; i < to.Length; i++) to[i] = char.IsControl(from[i]) ? '\ufffd' : from[i];
            })
            : text;
    }
}
