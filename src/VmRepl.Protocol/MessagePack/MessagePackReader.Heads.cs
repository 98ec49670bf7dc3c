using System.Buffers.Binary;

namespace VmRepl.Protocol.MessagePack;

/// <content>The heads of values: how many bytes one takes and what it says. None of these moves the position.</content>
public ref partial struct MessagePackReader
{
    // Returns the bytes that the integer takes. A value above 2^63-1 comes back as its 64 bits with the flag set.
    private readonly int IntegerSize(string field, out long value, out bool isAboveInt64)
    {
        isAboveInt64 = false;
        if (IsAtEnd) throw Short(field, 1);
        var code = source[Position];
        if (code is <= MessagePackCode.PositiveFixIntMax or >= MessagePackCode.NegativeFixInt)
        {
            value = (sbyte)code;
            return 1;
        }

        if (code is < MessagePackCode.UInt8 or > MessagePackCode.Int64) throw Unexpected(field, "an integer");
        var size = 1 << ((code - MessagePackCode.UInt8) & 3);
        Require(field, 1 + size);
        var digits = source.Slice(Position + 1, size);
        switch (code)
        {
            case MessagePackCode.UInt8: value = digits[0]; break;
            case MessagePackCode.UInt16: value = BinaryPrimitives.ReadUInt16BigEndian(digits); break;
            case MessagePackCode.UInt32: value = BinaryPrimitives.ReadUInt32BigEndian(digits); break;
            case MessagePackCode.Int8: value = (sbyte)digits[0]; break;
            case MessagePackCode.Int16: value = BinaryPrimitives.ReadInt16BigEndian(digits); break;
            case MessagePackCode.Int32: value = BinaryPrimitives.ReadInt32BigEndian(digits); break;
            default:
                value = BinaryPrimitives.ReadInt64BigEndian(digits);
                isAboveInt64 = code == MessagePackCode.UInt64 && value < 0;
                break;
        }

        return 1 + size;
    }

    private readonly int StringPrefix(string field, out uint length)
    {
        var code = IsAtEnd ? MessagePackCode.Nil : source[Position];
        if (code is >= MessagePackCode.FixStr and < MessagePackCode.Nil)
        {
            length = code & 0x1fu;
            return 1;
        }

        if (code is < MessagePackCode.Str8 or > MessagePackCode.Str32) throw Unexpected(field, "a str");
        return LengthPrefix(field, 1 << (code - MessagePackCode.Str8), out length);
    }

    private readonly int BinaryPrefix(string field, out uint length)
    {
        var code = IsAtEnd ? MessagePackCode.Nil : source[Position];
        if (code is < MessagePackCode.Bin8 or > MessagePackCode.Bin32) throw Unexpected(field, "a bin");
        return LengthPrefix(field, 1 << (code - MessagePackCode.Bin8), out length);
    }

    private readonly int ArrayPrefix(string field, out uint count)
    {
        var code = IsAtEnd ? MessagePackCode.Nil : source[Position];
        if (code is >= MessagePackCode.FixArray and < MessagePackCode.FixStr)
        {
            count = code & 0xfu;
            return 1;
        }

        if (code is not (MessagePackCode.Array16 or MessagePackCode.Array32)) throw Unexpected(field, "an array");
        return LengthPrefix(field, code == MessagePackCode.Array16 ? 2 : 4, out count);
    }

    private readonly int MapPrefix(string field, out uint count)
    {
        var code = IsAtEnd ? MessagePackCode.Nil : source[Position];
        if (code is >= MessagePackCode.FixMap and < MessagePackCode.FixArray)
        {
            count = code & 0xfu;
            return 1;
        }

        if (code is not (MessagePackCode.Map16 or MessagePackCode.Map32)) throw Unexpected(field, "a map");
        return LengthPrefix(field, code == MessagePackCode.Map16 ? 2 : 4, out count);
    }

    // The prefix ends with the type byte.
    private readonly int ExtensionPrefix(string field, out uint length)
    {
        var code = IsAtEnd ? MessagePackCode.Nil : source[Position];
        int prefix;
        if (code is >= MessagePackCode.FixExt1 and <= MessagePackCode.FixExt16)
        {
            length = 1u << (code - MessagePackCode.FixExt1);
            prefix = 2;
        }
        else
        {
            if (code is < MessagePackCode.Ext8 or > MessagePackCode.Ext32) throw Unexpected(field, "an ext");
            prefix = LengthPrefix(field, 1 << (code - MessagePackCode.Ext8), out length) + 1;
        }

        Require(field, prefix);
        return prefix;
    }

    private readonly int LengthPrefix(string field, int size, out uint length)
    {
        Require(field, 1 + size);
        var digits = source.Slice(Position + 1, size);
        length = size switch
        {
            1 => digits[0],
            2 => BinaryPrimitives.ReadUInt16BigEndian(digits),
            _ => BinaryPrimitives.ReadUInt32BigEndian(digits),
        };
        return 1 + size;
    }
}
