using System.Buffers.Binary;

namespace VmRepl.Images.Qcow2;

/// <summary>One block of reference counts in memory, as on disk (specification, "Host cluster management"). Entries of 2^order bits; narrower than a byte they stand from the low bits up.</summary>
internal sealed class RefcountBlock(long host, byte[] bytes, int order)
{
    public long Host => host;

    public byte[] Bytes => bytes;

    public bool IsDirty { get; set; }

    /// <summary>Largest count that an entry of that width holds.</summary>
    public static ulong Max(int order) => order == 6 ? ulong.MaxValue : (1UL << (1 << order)) - 1;

    public ulong this[int index]
    {
        get
        {
            switch (order)
            {
                case 3: return bytes[index];
                case 4: return BinaryPrimitives.ReadUInt16BigEndian(bytes.AsSpan(index * 2));
                case 5: return BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(index * 4));
                case 6: return BinaryPrimitives.ReadUInt64BigEndian(bytes.AsSpan(index * 8));
                default:
                    var bit = index << order;
                    return (ulong)(bytes[bit >> 3] >> (bit & 7)) & Max(order);
            }
        }

        set
        {
            IsDirty = true;
            switch (order)
            {
                case 3:
                    bytes[index] = (byte)value;
                    break;
                case 4:
                    BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(index * 2), (ushort)value);
                    break;
                case 5:
                    BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(index * 4), (uint)value);
                    break;
                case 6:
                    BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(index * 8), value);
                    break;
                default:
                    var bit = index << order;
                    var mask = Max(order) << (bit & 7);
                    bytes[bit >> 3] = (byte)((bytes[bit >> 3] & ~mask) | (value << (bit & 7)));
                    break;
            }
        }
    }
}
