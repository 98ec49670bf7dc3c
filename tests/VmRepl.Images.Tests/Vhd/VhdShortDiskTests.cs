using System.Buffers.Binary;
using VmRepl.Images.Opening;

namespace VmRepl.Images.Tests.Vhd;

/// <summary>Found by the fuzzer: a disk that is a small part of its last block, in a file that has room for more.</summary>
internal sealed class VhdShortDiskTests
{
    /// <summary>The flush gave back the whole room of a block of which the disk has a part, and with it the block that had been put into the rest of that room.</summary>
    [Test]
    public void Flush_AfterALastBlockWasZeroed_LeavesTheBlockBehindItAlone()
    {
        using var folder = new TestFolder();
        var path = folder.File("short.vhd");
        using (var image = DiskImages.Create(path, ImageFormat.Vhd, 5 << 20))
        {
            image.Write(0, DiskContents.Random(1, 70_000));
            image.Write((5 << 20) - 1024, DiskContents.Random(2, 1024));
        }

        var bytes = File.ReadAllBytes(path);
        var footer = bytes.AsSpan(bytes.Length - 512);
        BinaryPrimitives.WriteInt64BigEndian(footer[48..], 512);
        footer.Slice(64, 4).Clear();
        var sum = 0u;
        foreach (var b in footer) sum += b;
        BinaryPrimitives.WriteUInt32BigEndian(footer[64..], ~sum);
        File.WriteAllBytes(path, bytes);
        var data = DiskContents.Random(3, 512);
        using (var image = DiskImages.Open(path, new ImageOpenOptions { Format = ImageFormat.Vhd, Writable = true }))
        {
            Assert.That(image.Length, Is.EqualTo(512));
            image.Write(185, DiskContents.Random(4, 327));
            image.Zero(0, 512);
            image.Write(0, data);
            image.Flush();
            DiskContents.RequireSame(DiskContents.ReadAll(image), data, "at once");
        }

        using (var image = DiskImages.Open(path)) DiskContents.RequireSame(DiskContents.ReadAll(image), data, "after it was opened again");
    }
}
