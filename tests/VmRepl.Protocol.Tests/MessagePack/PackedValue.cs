using VmRepl.Protocol.MessagePack;

namespace VmRepl.Protocol.Tests.MessagePack;

/// <summary>Any MessagePack value as a tree, so that whole documents can be compared.</summary>
internal abstract record PackedValue
{
    public sealed record Nil : PackedValue;

    public sealed record Boolean(bool Value) : PackedValue;

    public sealed record Signed(long Value) : PackedValue;

    public sealed record Unsigned(ulong Value) : PackedValue;

    public sealed record Float(long Bits) : PackedValue;

    public sealed record Text(string Value) : PackedValue;

    public sealed record Binary(string Hex) : PackedValue;

    public sealed record Extension(sbyte Type, string Hex) : PackedValue;

    public sealed record Many(bool IsMap, PackedValue[] Items) : PackedValue
    {
        public bool Equals(Many? other) => other is not null && IsMap == other.IsMap && Items.SequenceEqual(other.Items);

        public override int GetHashCode() => HashCode.Combine(IsMap, Items.Length);
    }

    public void WriteTo(MessagePackWriter writer)
    {
        switch (this)
        {
            case Nil: writer.WriteNil(); break;
            case Boolean boolean: writer.WriteBoolean(boolean.Value); break;
            case Signed signed: writer.WriteInt64(signed.Value); break;
            case Unsigned unsigned: writer.WriteUInt64(unsigned.Value); break;
            case Float real: writer.WriteDouble(BitConverter.Int64BitsToDouble(real.Bits)); break;
            case Text text: writer.WriteString(text.Value); break;
            case Binary binary: writer.WriteBinary(Convert.FromHexString(binary.Hex)); break;
            case Extension extension: writer.WriteExtension(extension.Type, Convert.FromHexString(extension.Hex)); break;
            case Many many:
                if (many.IsMap) writer.WriteMapHeader(many.Items.Length / 2);
                else writer.WriteArrayHeader(many.Items.Length);
                foreach (var item in many.Items) item.WriteTo(writer);
                break;
        }
    }

    public static PackedValue Read(ref MessagePackReader reader)
    {
        reader.TryPeekKind(out var kind);
        switch (kind)
        {
            case MessagePackKind.Nil:
                reader.ReadNil();
                return new Nil();
            case MessagePackKind.Boolean: return new Boolean(reader.ReadBoolean());
            case MessagePackKind.Integer:
                var peek = reader;
                try
                {
                    var value = peek.ReadInt64();
                    reader = peek;
                    return new Signed(value);
                }
                catch (ProtocolException)
                {
                    return new Unsigned(reader.ReadUInt64());
                }

            case MessagePackKind.Float: return new Float(BitConverter.DoubleToInt64Bits(reader.ReadDouble()));
            case MessagePackKind.String: return new Text(reader.ReadString(int.MaxValue));
            case MessagePackKind.Binary: return new Binary(Convert.ToHexString(reader.ReadBinary()));
            case MessagePackKind.Extension:
                var contents = Convert.ToHexString(reader.ReadExtension(out var type));
                return new Extension(type, contents);
            case MessagePackKind.Array: return ReadMany(ref reader, false, reader.ReadArrayHeader());
            case MessagePackKind.Map: return ReadMany(ref reader, true, 2 * reader.ReadMapHeader());
            default:
                reader.Skip();
                return new Nil();
        }
    }

    /// <summary>A value whose shape follows from the random numbers alone.</summary>
    public static PackedValue Random(Random random, int depth)
    {
        switch (random.Next(depth == 0 ? 8 : 10))
        {
            case 0: return new Nil();
            case 1: return new Boolean(random.Next(2) == 1);
            case 2 or 3: return new Signed(random.NextInt64(long.MinValue, long.MaxValue) >> random.Next(64));
            case 4: return new Unsigned((ulong)random.NextInt64() | (1UL << 63));
            case 5: return new Float(BitConverter.DoubleToInt64Bits(random.Next(2) == 0 ? random.NextDouble() * 1e300 : (float)random.NextDouble()));
            case 6: return new Text(string.Concat(Enumerable.Repeat("aé\0☃𝄞", random.Next(60))));
            case 7:
                var bytes = new byte[random.Next(600)];
                random.NextBytes(bytes);
                return random.Next(2) == 0 ? new Binary(Convert.ToHexString(bytes)) : new Extension((sbyte)random.Next(0, 128), Convert.ToHexString(bytes));
            case 8: return new Many(false, [.. Enumerable.Range(0, random.Next(40)).Select(_ => Random(random, depth - 1))]);
            default:
                // Integer keys, each once, so that a Python dict holds them all.
                var count = random.Next(20);
                return new Many(true, [.. Enumerable.Range(0, count).SelectMany(i => new[] { new Signed(i * 1000), Random(random, depth - 1) })]);
        }
    }

    private static Many ReadMany(ref MessagePackReader reader, bool isMap, int count)
    {
        var items = new PackedValue[count];
        for (var i = 0; i < count; i++) items[i] = Read(ref reader);
        return new Many(isMap, items);
    }
}
