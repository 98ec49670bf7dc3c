using System.Buffers.Binary;
using System.Text;

namespace VmRepl.Images.Tests.Overlays;

/// <summary>
/// Reads a cleanly closed VHDX, differencing or not, sector by sector, from [MS-VHDX] alone and with no line of the product. It checks that the locator names the parent it is given
/// by its DataWriteGuid, that the log is empty, and that every place lies in the file.
/// </summary>
internal sealed class VhdxReferee
{
    private readonly byte[] head;
    private readonly FileStream file;
    private readonly VhdxReferee? parent;
    private readonly long bat, blockSize, ratio;

    public VhdxReferee(string path, string parent)
        : this(path, new VhdxReferee(parent, (VhdxReferee?)null))
    {
    }

    public VhdxReferee(string path, VhdxReferee? parent)
    {
        this.parent = parent;
        file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        head = Bytes(0, 1 << 20);
        var header = BinaryPrimitives.ReadUInt64LittleEndian(head.AsSpan(0x10008)) > BinaryPrimitives.ReadUInt64LittleEndian(head.AsSpan(0x20008)) ? 0x10000 : 0x20000;
        DataWriteGuid = new Guid(head.AsSpan(header + 32, 16));
        Assert.That(new Guid(head.AsSpan(header + 48, 16)), Is.EqualTo(Guid.Empty), "the log is not empty");
        bat = Region("2dc27766-f623-4200-9d64-115e9bfd4a08");
        var metadata = Bytes(Region("8b7ca206-4790-4b9a-b8fe-575f050f886e"), 1 << 20);
        var parameters = Item(metadata, "caa16737-fa36-4d43-b3b6-33f0aa44e76b");
        blockSize = BinaryPrimitives.ReadUInt32LittleEndian(parameters);
        SectorSize = BinaryPrimitives.ReadInt32LittleEndian(Item(metadata, "8141bf1d-a96f-4709-ba47-f233a8faab5f"));
        ratio = (1L << 23) * SectorSize / blockSize;
        Assert.That((parameters[4] & 2) != 0, Is.EqualTo(parent is not null), "has-parent flag");
        if (parent is not null) RequireLinkage(Item(metadata, "a8d35f2d-b30b-454d-abf7-d3d84834ab0c"), parent.DataWriteGuid);
    }

    private Guid DataWriteGuid { get; }

    private int SectorSize { get; }

    public byte[] Read(long offset, int count)
    {
        var all = new byte[count];
        for (var at = 0; at < count; at += SectorSize)
        {
            var sector = (offset + at) / SectorSize;
            Sector(sector).CopyTo(all, at);
        }

        return all;
    }

    private byte[] Sector(long sector)
    {
        var block = sector * SectorSize / blockSize;
        var chunk = block / ratio;
        var entry = Entry(block + chunk);
        switch (entry & 7)
        {
            case 6:
                return Stored();
            case 7:
                var bitmap = Entry((chunk * (ratio + 1)) + ratio);
                Assert.That(bitmap & 7, Is.EqualTo(6), "a partially present block without a sector bitmap");
                var bit = sector % (1 << 23);
                var here = (Bytes((long)(bitmap >> 20 << 20) + (bit / 8), 1)[0] >> (int)(bit % 8) & 1) != 0;
                return here ? Stored() : parent!.Sector(sector);
            case 0 when parent is not null:
                return parent.Sector(sector);
            default:
                return new byte[SectorSize];
        }

        byte[] Stored() => Bytes((long)(entry >> 20 << 20) + (sector * SectorSize % blockSize), SectorSize);
    }

    private ulong Entry(long index) => BinaryPrimitives.ReadUInt64LittleEndian(Bytes(bat + (index * 8), 8));

    private long Region(string id)
    {
        var at = head.AsSpan(0x30000, 0x10000).IndexOf(new Guid(id).ToByteArray());
        return BinaryPrimitives.ReadInt64LittleEndian(head.AsSpan(0x30000 + at + 16));
    }

    private static byte[] Item(byte[] metadata, string id)
    {
        var at = metadata.AsSpan(0, 65536).IndexOf(new Guid(id).ToByteArray());
        return metadata.AsSpan(BinaryPrimitives.ReadInt32LittleEndian(metadata.AsSpan(at + 16)), BinaryPrimitives.ReadInt32LittleEndian(metadata.AsSpan(at + 20))).ToArray();
    }

    private static void RequireLinkage(byte[] locator, Guid expected)
    {
        Assert.That(new Guid(locator.AsSpan(0, 16)), Is.EqualTo(new Guid("b04aefb7-d19e-4a81-b789-25b8e9445913")));
        var pairs = new Dictionary<string, string>();
        for (var i = 0; i < BinaryPrimitives.ReadUInt16LittleEndian(locator.AsSpan(18)); i++)
        {
            var entry = locator.AsSpan(20 + (12 * i), 12);
            pairs.Add(Text(entry, 0, 8), Text(entry, 4, 10));
        }

        Assert.That(pairs["parent_linkage"], Is.EqualTo($"{{{expected}}}"));
        Assert.That(pairs["relative_path"], Does.StartWith(@".\"));

        string Text(ReadOnlySpan<byte> entry, int offset, int length) =>
            Encoding.Unicode.GetString(locator.AsSpan(BinaryPrimitives.ReadInt32LittleEndian(entry[offset..]), BinaryPrimitives.ReadUInt16LittleEndian(entry[length..])));
    }

    private byte[] Bytes(long offset, int count)
    {
        var bytes = new byte[count];
        file.Position = offset;
        file.ReadExactly(bytes);
        return bytes;
    }
}
