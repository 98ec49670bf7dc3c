using VmRepl.Images.Opening;

namespace VmRepl.Images.Tests;

/// <summary>Runs a script of writes on an image and, before every change of its file, looks at what a power cut would leave.</summary>
internal static class CrashTrial
{
    private const int SectorBytes = 512;

    /// <summary>
    /// Every sector of what is left must be as at the last flush or as some write after it made it. Both readings are tried: read-only, and opened for writing.
    /// </summary>
    /// <returns>How many crashes were looked at.</returns>
    public static int Run(ImageFormat format, int seed, int length) => Run(format, seed, length, null);

    /// <param name="parent">Contents of a parent that the image is made over, or null.</param>
    /// <param name="onSurvivor">Given the file that some crashes leave.</param>
    public static int Run(ImageFormat format, int seed, int length, byte[]? parent, Action<byte[]>? onSurvivor = null)
    {
        var random = new Random(seed);
        var behind = parent is null ? null : Base(format, parent.Length, below => below.Write(0, parent));
        var file = new CrashFile([]);
        var image = Create(format, file, length, behind);
        image.Flush();
        var model = new byte[length];
        parent?.CopyTo(model, 0);
        // For each sector every value that it may have after a crash: as of the last flush, and since.
        var possible = new Dictionary<int, List<byte[]>>();
        byte[] flushed = [.. model];
        var crashes = 0;
        file.BeforeChange = () =>
        {
            if (random.Next(3) != 0) return;
            crashes++;
            var left = file.AfterCrash(random);
            if (crashes % 8 == 0) onSurvivor?.Invoke(left);
            Verify(left, writable: false);
            Verify(left, writable: true);
        };
        for (var step = 0; step < 25; step++)
        {
            var at = random.Next(length / SectorBytes) * SectorBytes;
            var count = Math.Min(length - at, random.Next(1, random.Next(2) == 0 ? 20 : 3000) * SectorBytes);
            var bytes = DiskContents.Random(seed + step, count);
            var isPunch = random.Next(3) == 0;
            if (isPunch) bytes.AsSpan().Clear();
            for (var sector = 0; sector < count; sector += SectorBytes)
            {
                if (!possible.TryGetValue(at + sector, out var values)) possible[at + sector] = values = [];
                values.Add(bytes.AsSpan(sector, SectorBytes).ToArray());
            }

            bytes.CopyTo(model, at);
            if (isPunch) image.Punch(at, count);
            else image.Write(at, bytes);
            if (random.Next(3) != 0) continue;
            image.Flush();
            model.CopyTo(flushed, 0);
            possible.Clear();
        }

        image.Dispose();
        file.BeforeChange = null;
        using var reopened = Open(format, new CrashFile(file.AfterCrash(random)) { IsReadOnly = true }, writable: false, behind);
        DiskContents.RequireSame(DiskContents.ReadAll(reopened), model, "after closing");
        Assert.That(reopened.Check().Where(f => f.IsDamage), Is.Empty);
        return crashes;

        void Verify(byte[] left, bool writable)
        {
            using var survivor = Open(format, new CrashFile(left) { IsReadOnly = !writable }, writable, behind);
            var found = DiskContents.ReadAll(survivor);
            for (var sector = 0; sector < length; sector += SectorBytes)
            {
                var bytes = found.AsSpan(sector, SectorBytes);
                if (bytes.SequenceEqual(flushed.AsSpan(sector, SectorBytes))) continue;
                var isKnown = false;
                if (possible.TryGetValue(sector, out var values))
                    foreach (var value in values) isKnown |= bytes.SequenceEqual(value);
                // A new block of which only a part was written shows zeros where nothing was there before.
                if (!isKnown) Assert.Fail($"seed {seed}, crash {crashes}: sector at {sector} begins with {bytes[0]:x2}, neither its flushed contents ({flushed[sector]:x2}) nor written since");
            }

            Assert.That(survivor.Check().Where(f => f.IsDamage), Is.Empty);
        }
    }

    internal static IDiskImage Open(ImageFormat format, CrashFile file, bool writable, byte[]? behind) =>
        DiskImages.OpenFile(file, format, new ImageContext(new MemoryFiles(new CrashFile(behind ?? []) { IsReadOnly = true }), new ReferencePolicy([Directory.GetCurrentDirectory()]), writable));

    internal static IDiskImage Create(ImageFormat format, CrashFile file, long length, byte[]? behind)
    {
        var driver = Driver(format);
        if (behind is null) return driver.Create(file, length, new ImageCreateOptions(), new TableMemory());
        var parent = Open(format, new CrashFile(behind) { IsReadOnly = true }, writable: false, null);
        return driver.CreateOverlay(file, length, new ImageCreateOptions { Backing = new ImageBacking("base", format) }, parent, new TableMemory());
    }

    /// <summary>An image file, filled.</summary>
    internal static byte[] Base(ImageFormat format, long length, Action<IDiskImage> fill)
    {
        var file = new CrashFile([]);
        using (var image = Driver(format).Create(file, length, new ImageCreateOptions(), new TableMemory())) fill(image);
        return file.Contents;
    }

    private static IImageDriver Driver(ImageFormat format) => format switch
    {
        ImageFormat.Vhdx => new Images.Vhdx.VhdxDriver(),
        ImageFormat.Vmdk => new Images.Vmdk.VmdkDriver(),
        ImageFormat.Vhd => new Images.Vhd.VhdDriver(),
        _ => new Images.Qcow2.Qcow2Driver(),
    };
}
