using VmRepl.Images.Opening;

namespace VmRepl.Images.Tests;

/// <summary>What of a disk is lost with the process that writes it: where an image says that nothing is, its file holds everything as it lies there.</summary>
internal sealed class UnwrittenTests
{
    private const int Length = 8 << 20;

    [Test]
    public void Write_IntoPlacesThatAreThere_IsInTheFileWithoutAFlush([Values(ImageFormat.Raw, ImageFormat.Qcow2, ImageFormat.Vhdx)] ImageFormat format, [Values] bool isOverlay)
    {
        if (isOverlay && format == ImageFormat.Raw) return;
        using var folder = new TestFolder();
        var path = folder.File("disk");
        var random = new Random(7);
        var expected = new byte[Length];
        Make(folder, path, format, isOverlay, expected);
        using var image = DiskImages.Open(path, new ImageOpenOptions { Format = format, Writable = true });
        Assert.That(image.HasUnwritten, Is.False);

        var flushes = 0;
        for (var i = 0; i < 200; i++)
        {
            var data = new byte[random.Next(1, 40) * 512];
            random.NextBytes(data);
            var offset = random.Next(0, (Length - data.Length) / 512) * 512;
            image.Write(offset, data);
            data.CopyTo(expected, offset);
            if (i % 7 == 0)
            {
                image.Punch(1 << 20, 64 << 10);
                expected.AsSpan(1 << 20, 64 << 10).Clear();
            }

            // The rule of a served disk.
            if (!image.HasUnwritten) continue;
            image.Flush();
            flushes++;
            Assert.That(image.HasUnwritten, Is.False);
        }

        Assert.That(flushes, format == ImageFormat.Raw ? Is.Zero : Is.InRange(1, 199));
        // As a process that is killed here leaves it: nothing is flushed or closed.
        var left = folder.File("left");
        File.Copy(path, left);
        using var again = DiskImages.Open(left, new ImageOpenOptions { Format = format });
        DiskContents.RequireSame(DiskContents.ReadAll(again), expected);
        if (format == ImageFormat.Qcow2 && ExternalTool.IsInstalled("qemu-img")) DiskContents.RequireSame(QemuImg.Contents(left), expected);
    }

    [Test]
    public void Write_ThatTakesSpace_IsUnwrittenUntilTheFlush([Values(ImageFormat.Qcow2, ImageFormat.Vhdx, ImageFormat.Vmdk, ImageFormat.Vhd)] ImageFormat format)
    {
        using var folder = new TestFolder();
        using var image = DiskImages.Create(folder.File("disk"), format, Length);
        image.Flush();
        image.Write(3 << 20, new byte[512]);
        Assert.That(image.HasUnwritten);
    }

    private static void Make(TestFolder folder, string path, ImageFormat format, bool isOverlay, byte[] contents)
    {
        if (!isOverlay)
        {
            DiskImages.Create(path, format, Length).Dispose();
            return;
        }

        var below = folder.File("below");
        new Random(3).NextBytes(contents);
        using (var parent = DiskImages.Create(below, format, Length)) parent.Write(0, contents);
        DiskImages.CreateOverlay(path, format, new ImageCreateOptions { Backing = new ImageBacking(below, format) }).Dispose();
    }
}
