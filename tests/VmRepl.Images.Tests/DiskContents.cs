using VmRepl.Blocks;

namespace VmRepl.Images.Tests;

/// <summary>Reading whole disks and making contents, for comparisons.</summary>
internal static class DiskContents
{
    /// <summary>Every byte of a small disk, read in pieces of an odd size, so that pieces cross every border.</summary>
    public static byte[] ReadAll(IBlockDevice device)
    {
        const int piece = 300_001;
        var bytes = new byte[device.Length];
        for (var at = 0; at < bytes.Length; at += piece) device.Read(at, bytes.AsSpan(at, Math.Min(piece, bytes.Length - at)));
        return bytes;
    }

    /// <summary>Random bytes without a zero among them, so that no sector of them can be taken for a hole.</summary>
    public static byte[] Random(int seed, int length)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        for (var i = 0; i < length; i++)
        {
            if (bytes[i] == 0) bytes[i] = 0x5A;
        }

        return bytes;
    }

    /// <summary>Fails with the first difference; much faster than a constraint that boxes every byte.</summary>
    public static void RequireSame(byte[] actual, byte[] expected, string who = "contents")
    {
        Assert.That(actual, Has.Length.EqualTo(expected.Length), $"{who}: length");
        var first = actual.AsSpan().CommonPrefixLength(expected);
        if (first < expected.Length) Assert.Fail($"{who}: byte {first} is {actual[first]:x2}, expected {expected[first]:x2}");
    }

    /// <summary>The map's bytes that have to be read, and a check that the map covers the disk in order without a gap.</summary>
    public static ExtentSet DataOf(IBlockDevice device, long offset, long length)
    {
        var data = new ExtentSet();
        var at = offset;
        foreach (var run in device.Map(offset, length))
        {
            Assert.That(run.Offset, Is.EqualTo(at), "the map has a gap or goes back");
            Assert.That(run.Length, Is.Positive);
            at = run.End;
            if (run.HasData) data.Add(run.Extent);
        }

        Assert.That(at, Is.EqualTo(offset + length), "the map does not cover the range");
        return data;
    }

    /// <summary>The disk in the image file <paramref name="path"/> as qemu-img reads it.</summary>
    public static byte[] ReadByQemu(TestFolder folder, string format, string path)
    {
        var raw = folder.File($"{Guid.NewGuid():n}.raw");
        ExternalTool.Run("qemu-img", "convert", "-f", format, "-O", "raw", path, raw);
        return File.ReadAllBytes(raw);
    }

    /// <summary>The disk in the image file <paramref name="path"/> as 7-Zip reads it.</summary>
    public static byte[] ReadBy7Zip(TestFolder folder, string path)
    {
        var target = folder.File($"{Guid.NewGuid():n}.d");
        ExternalTool.Run("7zz", "e", "-y", "-bso0", $"-o{target}", path);
        return File.ReadAllBytes(Directory.GetFiles(target).Single());
    }

    /// <summary>What libvhdi reads of a VHD or VHDX, mounted.</summary>
    /// <param name="layer">Counted from the parent on, from 1.</param>
    public static byte[] ReadByLibvhdi(TestFolder folder, string path, int layer = 1)
    {
        ExternalTool.RequireRoot();
        ExternalTool.Require("vhdimount");
        if (!File.Exists("/dev/fuse")) ExternalTool.Skip("needs /dev/fuse");
        var mount = Directory.CreateDirectory(folder.File($"{Guid.NewGuid():n}.m")).FullName;
        ExternalTool.Run("vhdimount", path, mount);
        try
        {
            return File.ReadAllBytes(Path.Combine(mount, $"vhdi{layer}"));
        }
        finally
        {
            ExternalTool.Run("umount", mount);
        }
    }
}
