using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace VmRepl.Protocol.MessagePack;

/// <summary>
/// Writes MessagePack values into one growing pooled buffer, each in the smallest form that the specification has for it, so that equal
/// values are equal bytes. <see cref="Reset"/> makes it ready for the next message without giving the buffer back. Not safe for concurrent use.
/// </summary>
public sealed class MessagePackWriter(int initialCapacityBytes = 256) : IDisposable
{
    private byte[] buffer = ArrayPool<byte>.Shared.Rent(initialCapacityBytes);
    private bool isDisposed;

    /// <summary>Bytes written since the start or the last <see cref="Reset"/>.</summary>
    public int Length { get; private set; }

    /// <summary>What was written; valid until the next write, reset or disposal.</summary>
    public ReadOnlySpan<byte> WrittenSpan => buffer.AsSpan(0, Length);

    /// <inheritdoc cref="WrittenSpan"/>
    public ReadOnlyMemory<byte> WrittenMemory => buffer.AsMemory(0, Length);

    /// <summary>Forgets what was written and keeps the buffer.</summary>
    public void Reset() => Length = 0;

    /// <summary>Forgets what was written, and a buffer that one large message has made larger than <paramref name="keepBytes"/>.</summary>
    public void Reset(int keepBytes)
    {
        Length = 0;
        if (buffer.Length <= keepBytes) return;
        ArrayPool<byte>.Shared.Return(buffer);
        buffer = ArrayPool<byte>.Shared.Rent(keepBytes);
    }

    public void Dispose()
    {
        if (isDisposed) return;
        isDisposed = true;
        ArrayPool<byte>.Shared.Return(buffer);
        buffer = [];
        Length = 0;
    }

    /// <summary>Makes room for bytes that are no MessagePack value (a frame's head) or are filled in later.</summary>
    /// <returns>The room, not cleared; valid until the next write.</returns>
    public Span<byte> Reserve(int bytes)
    {
        var start = Length;
        Grow(bytes);
        Length += bytes;
        return buffer.AsSpan(start, bytes);
    }

    /// <summary>A part of what was written, to be filled in now that it is known.</summary>
    public Span<byte> Written(int start, int bytes) => buffer.AsSpan(0, Length).Slice(start, bytes);

    /// <summary>Appends bytes that are MessagePack already.</summary>
    public void WriteRaw(ReadOnlySpan<byte> encoded) => encoded.CopyTo(Reserve(encoded.Length));

    public void WriteNil() => Reserve(1)[0] = MessagePackCode.Nil;

    public void WriteBoolean(bool value) => Reserve(1)[0] = value ? MessagePackCode.True : MessagePackCode.False;

    public void WriteInt64(long value)
    {
        if (value >= 0)
        {
            WriteUInt64((ulong)value);
            return;
        }

        switch (value)
        {
            case >= -32:
                Reserve(1)[0] = (byte)value;
                break;
            case >= sbyte.MinValue:
                Head(MessagePackCode.Int8, 1)[0] = (byte)value;
                break;
            case >= short.MinValue:
                BinaryPrimitives.WriteInt16BigEndian(Head(MessagePackCode.Int16, 2), (short)value);
                break;
            case >= int.MinValue:
                BinaryPrimitives.WriteInt32BigEndian(Head(MessagePackCode.Int32, 4), (int)value);
                break;
            default:
                BinaryPrimitives.WriteInt64BigEndian(Head(MessagePackCode.Int64, 8), value);
                break;
        }
    }

    public void WriteUInt64(ulong value)
    {
        switch (value)
        {
            case <= MessagePackCode.PositiveFixIntMax:
                Reserve(1)[0] = (byte)value;
                break;
            case <= byte.MaxValue:
                Head(MessagePackCode.UInt8, 1)[0] = (byte)value;
                break;
            case <= ushort.MaxValue:
                BinaryPrimitives.WriteUInt16BigEndian(Head(MessagePackCode.UInt16, 2), (ushort)value);
                break;
            case <= uint.MaxValue:
                WriteFixedUInt32((uint)value);
                break;
            default:
                BinaryPrimitives.WriteUInt64BigEndian(Head(MessagePackCode.UInt64, 8), value);
                break;
        }
    }

    public void WriteInt32(int value) => WriteInt64(value);

    public void WriteUInt32(uint value) => WriteUInt64(value);

    /// <summary>Always the five bytes of uint 32, whatever the value: for a checksum that is filled in later and for records of one size.</summary>
    public void WriteFixedUInt32(uint value) => BinaryPrimitives.WriteUInt32BigEndian(Head(MessagePackCode.UInt32, 4), value);

    public void WriteSingle(float value) => BinaryPrimitives.WriteSingleBigEndian(Head(MessagePackCode.Float32, 4), value);

    /// <summary>float 32 where that holds the very same bits once widened, else float 64.</summary>
    public void WriteDouble(double value)
    {
        var narrow = (float)value;
        if (BitConverter.DoubleToInt64Bits(narrow) == BitConverter.DoubleToInt64Bits(value)) WriteSingle(narrow);
        else BinaryPrimitives.WriteDoubleBigEndian(Head(MessagePackCode.Float64, 8), value);
    }

    /// <exception cref="ArgumentException">It holds half a surrogate pair and so has no UTF-8.</exception>
    public void WriteString(ReadOnlySpan<char> value)
    {
        var length = StrictUtf8.Encoding.GetByteCount(value);
        switch (length)
        {
            case < 32:
                Reserve(1)[0] = (byte)(MessagePackCode.FixStr | length);
                break;
            case <= byte.MaxValue:
                Head(MessagePackCode.Str8, 1)[0] = (byte)length;
                break;
            case <= ushort.MaxValue:
                BinaryPrimitives.WriteUInt16BigEndian(Head(MessagePackCode.Str16, 2), (ushort)length);
                break;
            default:
                BinaryPrimitives.WriteInt32BigEndian(Head(MessagePackCode.Str32, 4), length);
                break;
        }

        StrictUtf8.Encoding.GetBytes(value, Reserve(length));
    }

    public void WriteBinary(ReadOnlySpan<byte> value)
    {
        WriteBinaryHeader(value.Length);
        WriteRaw(value);
    }

    /// <summary>The head of a bin in its smallest form; the caller appends <paramref name="length"/> bytes.</summary>
    public void WriteBinaryHeader(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        switch (length)
        {
            case <= byte.MaxValue:
                Head(MessagePackCode.Bin8, 1)[0] = (byte)length;
                break;
            case <= ushort.MaxValue:
                BinaryPrimitives.WriteUInt16BigEndian(Head(MessagePackCode.Bin16, 2), (ushort)length);
                break;
            default:
                WriteBinary32Header(length);
                break;
        }
    }

    /// <summary>Always the five bytes of bin 32, whatever the length.</summary>
    public void WriteBinary32Header(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        BinaryPrimitives.WriteInt32BigEndian(Head(MessagePackCode.Bin32, 4), length);
    }

    public void WriteArrayHeader(int count) => WriteContainer(count, MessagePackCode.FixArray, MessagePackCode.Array16, MessagePackCode.Array32);

    public void WriteMapHeader(int count) => WriteContainer(count, MessagePackCode.FixMap, MessagePackCode.Map16, MessagePackCode.Map32);

    public void WriteExtension(sbyte type, ReadOnlySpan<byte> contents)
    {
        switch (contents.Length)
        {
            case 1 or 2 or 4 or 8 or 16:
                Reserve(1)[0] = (byte)(MessagePackCode.FixExt1 + int.Log2(contents.Length));
                break;
            case <= byte.MaxValue:
                Head(MessagePackCode.Ext8, 1)[0] = (byte)contents.Length;
                break;
            case <= ushort.MaxValue:
                BinaryPrimitives.WriteUInt16BigEndian(Head(MessagePackCode.Ext16, 2), (ushort)contents.Length);
                break;
            default:
                BinaryPrimitives.WriteInt32BigEndian(Head(MessagePackCode.Ext32, 4), contents.Length);
                break;
        }

        Reserve(1)[0] = (byte)type;
        WriteRaw(contents);
    }

    /// <exception cref="ArgumentOutOfRangeException">The nanoseconds make a second or more.</exception>
    public void WriteTimestamp(MessagePackTimestamp value)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(value.Nanoseconds, MessagePackTimestamp.MaxNanoseconds);
        Span<byte> contents = stackalloc byte[12];
        if ((ulong)value.Seconds >> 34 != 0)
        {
            BinaryPrimitives.WriteUInt32BigEndian(contents, value.Nanoseconds);
            BinaryPrimitives.WriteInt64BigEndian(contents[4..], value.Seconds);
        }
        else if (value.Nanoseconds != 0 || value.Seconds > uint.MaxValue)
        {
            contents = contents[..8];
            BinaryPrimitives.WriteUInt64BigEndian(contents, ((ulong)value.Nanoseconds << 34) | (ulong)value.Seconds);
        }
        else
        {
            contents = contents[..4];
            BinaryPrimitives.WriteUInt32BigEndian(contents, (uint)value.Seconds);
        }

        WriteExtension(MessagePackCode.TimestampType, contents);
    }

    private void WriteContainer(int count, byte fix, byte code16, byte code32)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        switch (count)
        {
            case < 16:
                Reserve(1)[0] = (byte)(fix | count);
                break;
            case <= ushort.MaxValue:
                BinaryPrimitives.WriteUInt16BigEndian(Head(code16, 2), (ushort)count);
                break;
            default:
                BinaryPrimitives.WriteInt32BigEndian(Head(code32, 4), count);
                break;
        }
    }

    private Span<byte> Head(byte code, int size)
    {
        var room = Reserve(1 + size);
        room[0] = code;
        return room[1..];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Grow(int bytes)
    {
        if (bytes > buffer.Length - Length) Enlarge(bytes);
    }

    private void Enlarge(int bytes)
    {
        ObjectDisposedException.ThrowIf(isDisposed, this);
        var needed = checked(Length + bytes);
        var larger = ArrayPool<byte>.Shared.Rent((int)Math.Min(Array.MaxLength, Math.Max(needed, 2L * buffer.Length)));
        buffer.AsSpan(0, Length).CopyTo(larger);
        ArrayPool<byte>.Shared.Return(buffer);
        buffer = larger;
    }
}
