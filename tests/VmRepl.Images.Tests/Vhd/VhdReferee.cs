using System.Buffers.Binary;
using System.Text;

namespace VmRepl.Images.Tests.Vhd;

/// <summary>
/// Reads a VHD of any type sector by sector, from the specification alone and with no line of the product. It wants both footers sound and alike, honours the bitmaps of dynamic disks too,
/// and takes a parent only by the relative locator, the unique id and the time stamp.
/// </summary>
internal sealed class VhdReferee
{
    private readonly byte[] file, footer, header = [];
    private readonly VhdReferee? parent;
    private readonly long size, blockSize, bitmapBytes;

    public VhdReferee(string path)
    {
        file = File.ReadAllBytes(path);
        footer = file[^512..];
        RequireSum(footer, 64);
        size = BinaryPrimitives.ReadInt64BigEndian(footer.AsSpan(48));
        Assert.That(footer.AsSpan(0, 8).SequenceEqual("conectix"u8), "cookie");
        if (footer[63] == 2) return;
        Assert.That(file.AsSpan(0, 512).SequenceEqual(footer), "the copy at the front differs");
        var at = (int)BinaryPrimitives.ReadInt64BigEndian(footer.AsSpan(16));
        header = file[at..(at + 1024)];
        Assert.That(header.AsSpan(0, 8).SequenceEqual("cxsparse"u8), "header cookie");
        RequireSum(header, 36);
        blockSize = BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(32));
        bitmapBytes = ((blockSize / 512 / 8) + 511) / 512 * 512;
        if (footer[63] != 4) return;
        var relative = Enumerable.Range(0, 8).Select(i => 576 + (i * 24)).First(e => BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(e)) == VhdForge.Relative);
        var name = Encoding.Unicode.GetString(file, (int)BinaryPrimitives.ReadInt64BigEndian(header.AsSpan(relative + 16)), BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(relative + 8)));
        Assert.That(name, Does.StartWith(@".\").Or.StartWith(@"..\"));
        parent = new VhdReferee(Path.Combine(Path.GetDirectoryName(path)!, name.Replace('\\', '/')));
        Assert.That(header.AsSpan(40, 16).SequenceEqual(parent.footer.AsSpan(68, 16)), "parent's unique id");
        Assert.That(header.AsSpan(56, 4).SequenceEqual(parent.footer.AsSpan(24, 4)), "parent's time stamp");
    }

    public byte[] ReadAll()
    {
        var all = new byte[size];
        for (long at = 0; at < size; at += 512) Sector(at).CopyTo(all.AsSpan((int)at));
        return all;
    }

    private ReadOnlySpan<byte> Sector(long at)
    {
        if (at >= size) return new byte[512];
        if (footer[63] == 2) return file.AsSpan((int)at, 512);
        var entry = BinaryPrimitives.ReadUInt32BigEndian(file.AsSpan((int)(BinaryPrimitives.ReadInt64BigEndian(header.AsSpan(16)) + (at / blockSize * 4))));
        if (entry != uint.MaxValue)
        {
            var place = entry * 512L;
            var sector = at % blockSize / 512;
            Assert.That(place + bitmapBytes + blockSize, Is.LessThanOrEqualTo(file.Length - 512), "a block reaches into the footer");
            if ((file[place + (sector / 8)] & (128 >> (int)(sector % 8))) != 0) return file.AsSpan((int)(place + bitmapBytes + (sector * 512)), 512);
        }

        return parent is null ? new byte[512] : parent.Sector(at);
    }

    private static void RequireSum(byte[] bytes, int field)
    {
        var copy = (byte[])bytes.Clone();
        VhdForge.Seal(copy, 0, copy.Length, field);
        Assert.That(copy.AsSpan().SequenceEqual(bytes), "checksum");
    }
}
