using VmRepl.Blocks;

namespace VmRepl.Images.Tests;

/// <summary>The contents of a device read in more than one way.</summary>
internal static class Contents
{
    /// <summary>All of it, in pieces of uneven length so that no boundary is always hit the same way.</summary>
    public static byte[] ReadAll(this IBlockDevice device, int seed = 1)
    {
        var random = new Random(seed);
        var all = new byte[device.Length];
        for (var at = 0; at < all.Length;)
        {
            var length = Math.Min(random.Next(1, 300_000), all.Length - at);
            device.Read(at, all.AsSpan(at, length));
            at += length;
        }

        return all;
    }

    /// <summary>All of it, put together from the map: data is read, everything else is taken for zeros.</summary>
    public static byte[] ReadByMap(this IBlockDevice device)
    {
        var all = new byte[device.Length];
        long at = 0;
        foreach (var run in device.Map(0, device.Length))
        {
            Assert.That(run.Offset, Is.EqualTo(at), "the map has a gap");
            Assert.That(run.Length, Is.Positive);
            if (run.HasData) device.Read(run.Offset, all.AsSpan((int)run.Offset, (int)run.Length));
            at = run.End;
        }

        Assert.That(at, Is.EqualTo(device.Length), "the map does not cover the disk");
        return all;
    }

    /// <summary>Fails at the first byte that differs. NUnit's own comparison of arrays takes a tenth of a second for a megabyte.</summary>
    public static void MustBe(this byte[] actual, byte[] expected, string what = "contents")
    {
        Assert.That(actual, Has.Length.EqualTo(expected.Length), what);
        var common = actual.AsSpan().CommonPrefixLength(expected);
        Assert.That(common == expected.Length, $"{what}: the first difference is at {common}");
    }

    public static byte[] Random(int length, int seed)
    {
        var bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }
}
