using VmRepl.Fuzz.Trials;
using VmRepl.Images.Opening;

namespace VmRepl.Images.Tests;

/// <summary>What a damaged file may do: give contents or a typed error, in little processor time, and without taking much memory.</summary>
internal static class DamagedImage
{
    private const int MiB = 1 << 20;

    /// <param name="path">Where the file is put.</param>
    /// <param name="mebibytesMax">Most that may be allocated on the way, in all.</param>
    public static void RequireContentsOrTypedError(string path, byte[] bytes, ImageFormat format, long mebibytesMax)
    {
        File.WriteAllBytes(path, bytes);
        var before = GC.GetTotalAllocatedBytes();
        var began = ThreadClock.Now;
        try
        {
            using var image = DiskImages.Open(path, new ImageOpenOptions { Format = format });
            var piece = new byte[64 << 10];
            for (long at = 0; at < Math.Min(image.Length, 16 * MiB); at += piece.Length) image.Read(at, piece.AsSpan(0, (int)Math.Min(piece.Length, image.Length - at)));
            Assert.That(image.Map(0, Math.Min(image.Length, 1L << 30)).Count(), Is.Positive);
            Assert.That(image.Check(), Is.Not.Null);
        }
        catch (ImageFormatException)
        {
            // The other allowed outcome.
        }

        Assert.That(ThreadClock.Now - began, Is.LessThan(TimeSpan.FromSeconds(5)));
        Assert.That(GC.GetTotalAllocatedBytes() - before, Is.LessThan(mebibytesMax * MiB));
    }
}
