using System.Buffers.Binary;
using System.Text;

namespace VmRepl.Protocol.MessagePack;

/// <summary>
/// Reads MessagePack values, in order, out of bytes that nobody vouches for. Lengths and counts are compared with what is left before
/// anything is done with them, so a value never costs more than the bytes it came in. Every failure is a <see cref="ProtocolException"/>
/// and leaves the position where the value began; the reader accepts any form of an integer that holds the value.
/// </summary>
/// <param name="source">The bytes; all of them belong to the values.</param>
/// <param name="baseOffset">Where <paramref name="source"/> begins in something larger; added to the offsets in errors.</param>
public ref partial struct MessagePackReader(ReadOnlySpan<byte> source, long baseOffset = 0)
{
    /// <summary>How deep arrays and maps may nest under <see cref="Skip"/>.</summary>
    public const int MaxDepth = 64;

    private const long Unbounded = uint.MaxValue;

    private readonly ReadOnlySpan<byte> source = source;
    private readonly long baseOffset = baseOffset;

    /// <summary>Bytes read, from the start of the source.</summary>
    public int Position { get; private set; }

    /// <summary>Bytes of the source, read and unread.</summary>
    public readonly int Length => source.Length;

    /// <summary>Bytes not read yet.</summary>
    public readonly int Remaining => source.Length - Position;

    public readonly bool IsAtEnd => Position == source.Length;

    /// <summary>The position as errors state it: from the start of whatever the source was cut from.</summary>
    public readonly long Offset => baseOffset + Position;

    /// <summary>Looks at the next value without reading it. False at the end.</summary>
    public readonly bool TryPeekKind(out MessagePackKind kind)
    {
        kind = IsAtEnd ? default : MessagePackCode.KindOf(source[Position]);
        return !IsAtEnd;
    }

    public void ReadNil(string field = "")
    {
        if (!TryReadNil()) throw Unexpected(field, "nil");
    }

    /// <summary>Reads nil if that is what comes next; otherwise reads nothing.</summary>
    public bool TryReadNil()
    {
        if (IsAtEnd || source[Position] != MessagePackCode.Nil) return false;
        Position++;
        return true;
    }

    public bool ReadBoolean(string field = "")
    {
        if (IsAtEnd || source[Position] is not (MessagePackCode.False or MessagePackCode.True)) throw Unexpected(field, "a boolean");
        return source[Position++] == MessagePackCode.True;
    }

    /// <summary>Any integer form whose value fits 64 bits with a sign.</summary>
    public long ReadInt64(string field = "")
    {
        var size = IntegerSize(field, out var value, out var isAboveInt64);
        if (isAboveInt64) throw Wrong(field, "an integer below 2^63", ((ulong)value).ToString());
        Position += size;
        return value;
    }

    /// <summary>Any integer form whose value is not negative.</summary>
    public ulong ReadUInt64(string field = "")
    {
        var size = IntegerSize(field, out var value, out var isAboveInt64);
        if (value < 0 && !isAboveInt64) throw Wrong(field, "an integer that is not negative", value.ToString());
        Position += size;
        return (ulong)value;
    }

    public int ReadInt32(string field = "")
    {
        var size = IntegerSize(field, out var value, out var isAboveInt64);
        if (isAboveInt64 || value is < int.MinValue or > int.MaxValue)
            throw Wrong(field, "an integer of 32 bits with a sign", isAboveInt64 ? ((ulong)value).ToString() : value.ToString());
        Position += size;
        return (int)value;
    }

    public uint ReadUInt32(string field = "")
    {
        var size = IntegerSize(field, out var value, out var isAboveInt64);
        if (isAboveInt64 || value is < 0 or > uint.MaxValue)
            throw Wrong(field, "an integer of 32 bits without a sign", isAboveInt64 ? ((ulong)value).ToString() : value.ToString());
        Position += size;
        return (uint)value;
    }

    /// <summary>float 32 only: a wider one would lose digits.</summary>
    public float ReadSingle(string field = "")
    {
        if (IsAtEnd || source[Position] != MessagePackCode.Float32) throw Unexpected(field, "a float 32");
        Require(field, 1 + sizeof(float));
        var value = BinaryPrimitives.ReadSingleBigEndian(source[(Position + 1)..]);
        Position += 1 + sizeof(float);
        return value;
    }

    /// <summary>float 32 or float 64.</summary>
    public double ReadDouble(string field = "")
    {
        if (!IsAtEnd && source[Position] == MessagePackCode.Float32) return ReadSingle(field);
        if (IsAtEnd || source[Position] != MessagePackCode.Float64) throw Unexpected(field, "a float");
        Require(field, 1 + sizeof(double));
        var value = BinaryPrimitives.ReadDoubleBigEndian(source[(Position + 1)..]);
        Position += 1 + sizeof(double);
        return value;
    }

    /// <summary>A str of strict UTF-8. No more than <paramref name="maxBytes"/> bytes of it are ever decoded.</summary>
    public string ReadString(int maxBytes, string field = "")
    {
        var start = Position;
        var bytes = ReadStringBytes(maxBytes, field);
        try
        {
            return StrictUtf8.Encoding.GetString(bytes);
        }
        catch (DecoderFallbackException fault)
        {
            Position = start;
            throw new ProtocolException(field, Offset, "UTF-8", "bytes that are not UTF-8", fault);
        }
    }

    /// <summary>The bytes of a str as they stand, not checked to be UTF-8; a part of the source.</summary>
    public ReadOnlySpan<byte> ReadStringBytes(int maxBytes, string field = "") => TakeString(maxBytes, field);

    /// <summary>The contents of a bin; a part of the source.</summary>
    public ReadOnlySpan<byte> ReadBinary(string field = "") => TakeBinary(Unbounded, field);

    /// <summary>The contents of a bin of at most <paramref name="maxBytes"/> bytes; a part of the source.</summary>
    public ReadOnlySpan<byte> ReadBinary(int maxBytes, string field = "") => TakeBinary(maxBytes, field);

    /// <summary>How many values follow as the array's own. Never more than there are bytes left.</summary>
    public int ReadArrayHeader(string field = "") => EnterArray(Unbounded, field);

    /// <inheritdoc cref="ReadArrayHeader(string)"/>
    public int ReadArrayHeader(int maxCount, string field = "") => EnterArray(maxCount, field);

    /// <summary>How many pairs of key and value follow as the map's own. Never more than half the bytes left.</summary>
    public int ReadMapHeader(string field = "") => EnterMap(Unbounded, field);

    /// <inheritdoc cref="ReadMapHeader(string)"/>
    public int ReadMapHeader(int maxCount, string field = "") => EnterMap(maxCount, field);

    /// <summary>The contents of an ext and its type; a part of the source.</summary>
    public ReadOnlySpan<byte> ReadExtension(out sbyte type, string field = "")
    {
        var prefix = ExtensionPrefix(field, out var length);
        type = (sbyte)source[Position + prefix - 1];
        return Take(field, prefix, length);
    }

    /// <summary>An ext of type -1 in any of its three forms.</summary>
    public MessagePackTimestamp ReadTimestamp(string field = "")
    {
        var start = Position;
        var contents = ReadExtension(out var type, field);
        MessagePackTimestamp? value = (type, contents.Length) switch
        {
            (MessagePackCode.TimestampType, 4) => new(BinaryPrimitives.ReadUInt32BigEndian(contents), 0),
            (MessagePackCode.TimestampType, 8) => Unpack(BinaryPrimitives.ReadUInt64BigEndian(contents)),
            (MessagePackCode.TimestampType, 12) => new(BinaryPrimitives.ReadInt64BigEndian(contents[4..]), BinaryPrimitives.ReadUInt32BigEndian(contents)),
            _ => null,
        };
        if (value is { Nanoseconds: <= MessagePackTimestamp.MaxNanoseconds } good) return good;
        Position = start;
        throw Wrong(field, "a timestamp", value is null ? $"ext {type} of {contents.Length} bytes" : $"{value.Value.Nanoseconds} nanoseconds");
    }

    /// <summary>Passes over one value with everything inside it. Nothing is allocated and nothing recurses, however it is nested.</summary>
    public void Skip(string field = "")
    {
        var start = Position;
        Span<long> left = stackalloc long[MaxDepth];
        var depth = 0;
        try
        {
            while (true)
            {
                var inside = SkipHead(field);
                if (inside > 0)
                {
                    if (depth == MaxDepth) throw Wrong(field, $"at most {MaxDepth} levels of nesting", "more");
                    left[depth++] = inside;
                    continue;
                }

                while (depth > 0 && --left[depth - 1] == 0) depth--;
                if (depth == 0) return;
            }
        }
        catch (ProtocolException)
        {
            Position = start;
            throw;
        }
    }

    /// <summary>Everything must have been read.</summary>
    public readonly void ExpectEnd(string field = "")
    {
        if (!IsAtEnd) throw Wrong(field, "nothing more", $"{Remaining} more bytes");
    }

    /// <summary>An error at the current position, for a caller that does not like the value it is about to read or has just read.</summary>
    public readonly ProtocolException Wrong(string field, string expected, string found) => new(field, Offset, expected, found);

    private static MessagePackTimestamp Unpack(ulong packed) => new((long)(packed & 0x3_ffff_ffff), (uint)(packed >> 34));

    // Passes over a value without its children and says how many of those there are.
    private long SkipHead(string field)
    {
        if (IsAtEnd) throw Short(field, 1);
        var kind = MessagePackCode.KindOf(source[Position]);
        switch (kind)
        {
            case MessagePackKind.Nil or MessagePackKind.Boolean:
                Position++;
                return 0;
            case MessagePackKind.Integer:
                Position += IntegerSize(field, out _, out _);
                return 0;
            case MessagePackKind.Float:
                ReadDouble(field);
                return 0;
            case MessagePackKind.String:
                TakeString(Unbounded, field);
                return 0;
            case MessagePackKind.Binary:
                ReadBinary(field);
                return 0;
            case MessagePackKind.Extension:
                ReadExtension(out _, field);
                return 0;
            case MessagePackKind.Array:
                return ReadArrayHeader(field);
            case MessagePackKind.Map:
                return 2L * ReadMapHeader(field);
            default:
                throw Unexpected(field, "a value");
        }
    }

    private ReadOnlySpan<byte> Take(string field, int prefix, uint length)
    {
        Require(field, prefix + (long)length);
        var contents = source.Slice(Position + prefix, (int)length);
        Position += prefix + (int)length;
        return contents;
    }

    private ReadOnlySpan<byte> TakeString(long maxBytes, string field)
    {
        var prefix = StringPrefix(field, out var length);
        if (length > maxBytes) throw Wrong(field, $"a str of at most {maxBytes} bytes", $"{length} bytes");
        return Take(field, prefix, length);
    }

    private ReadOnlySpan<byte> TakeBinary(long maxBytes, string field)
    {
        var prefix = BinaryPrefix(field, out var length);
        if (length > maxBytes) throw Wrong(field, $"a bin of at most {maxBytes} bytes", $"{length} bytes");
        return Take(field, prefix, length);
    }

    private int EnterArray(long maxCount, string field)
    {
        var prefix = ArrayPrefix(field, out var count);
        return EnterContainer(field, prefix, count, count, maxCount, "an array");
    }

    private int EnterMap(long maxCount, string field)
    {
        var prefix = MapPrefix(field, out var count);
        return EnterContainer(field, prefix, count, 2L * count, maxCount, "a map");
    }

    private int EnterContainer(string field, int prefix, long count, long valuesInside, long maxCount, string container)
    {
        if (count > maxCount) throw Wrong(field, $"{container} of at most {maxCount}", count.ToString());
        // A value is at least one byte long, so a count beyond the bytes left is a lie whatever follows.
        Require(field, prefix + valuesInside);
        Position += prefix;
        return (int)count;
    }

    private readonly void Require(string field, long bytes)
    {
        if (bytes > Remaining) throw Short(field, bytes);
    }

    private readonly ProtocolException Short(string field, long bytes) =>
        new(field, Offset, $"at least {bytes} more bytes", $"{Remaining}") { IsTruncated = true };

    private readonly ProtocolException Unexpected(string field, string expected) =>
        IsAtEnd ? Short(field, 1) : new(field, Offset, expected, $"{MessagePackCode.KindOf(source[Position])} (0x{source[Position]:x2})");
}
