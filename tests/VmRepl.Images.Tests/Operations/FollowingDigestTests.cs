using System.Security.Cryptography;
using VmRepl.Blocks;
using VmRepl.Images.Operations;

namespace VmRepl.Images.Tests.Operations;

/// <summary>The digest of a copy while it is made.</summary>
public sealed class FollowingDigestTests
{
    private const int Length = (16 << 20) + (3 * 512);

    private ScratchDirectory scratch = null!;
    private byte[] contents = [];

    [SetUp]
    public void Make()
    {
        scratch = new ScratchDirectory();
        contents = DiskContents.Random(1, Length);
        contents.AsSpan(3 << 20, 2 << 20).Clear();
        contents.AsSpan((9 << 20) + 4096, 1 << 20).Clear();
        using var image = DiskImages.Create(scratch["in.raw"], ImageFormat.Raw, Length);
        foreach (var (from, to) in new[] { (0, 3 << 20), (5 << 20, (9 << 20) + 4096), ((10 << 20) + 4096, Length) }) image.Write(from, contents.AsSpan(from, to - from));
    }

    [TearDown]
    public void Remove() => scratch.Dispose();

    [Test]
    public void Complete_WhileItIsWritten_IsTheDigestOfTheContents([Range(1, 3)] int seed)
    {
        using var source = DiskImages.Open(scratch["in.raw"], new() { Format = ImageFormat.Raw });
        using var target = new SlowDevice(new byte[Length], seed);
        using var digest = new FollowingDigest(target, CancellationToken.None);
        ImageConverter.Convert(source, target, new ConvertOptions { Digest = digest }, CancellationToken.None);
        Assert.That(digest.Complete(), Is.EqualTo(SHA256.HashData(contents)));
    }

    [Test]
    public void Complete_GoingOnWithAnotherDevice_ReadsTheRestFromThat([Values] bool isSame)
    {
        var copy = (byte[])contents.Clone();
        if (!isSame) copy[7 << 20] ^= 1;
        using var first = new SlowDevice(new byte[Length], 1) { Fails = true };
        using var second = new SlowDevice(copy, 1);
        using var digest = new FollowingDigest(first, CancellationToken.None);
        Assert.That(digest.GoOnWith(() => second), Is.SameAs(second));
        for (var at = 0; at < Length; at += 1 << 20)
        {
            var length = Math.Min(1 << 20, Length - at);
            digest.Add(new Extent(at, length), Crc32C.Compute(contents.AsSpan(at, length)));
        }

        if (isSame) Assert.That(digest.Complete(), Is.EqualTo(SHA256.HashData(contents)));
        else Assert.That(digest.Complete, Throws.TypeOf<IOException>().With.Message.Contains($"offset {7 << 20} "));
    }

    [Test]
    public void Complete_ReadingBackFails_SaysWhy()
    {
        using var target = new SlowDevice(new byte[Length], 1) { Fails = true };
        using var digest = new FollowingDigest(target, CancellationToken.None);
        digest.Add(new Extent(0, 512), 1);
        Assert.That(digest.Complete, Throws.TypeOf<IOException>());
    }

    [Test]
    public void Complete_Cancelled_SaysSo()
    {
        using var stop = new CancellationTokenSource();
        using var target = new SlowDevice(new byte[Length], 1);
        using var digest = new FollowingDigest(target, stop.Token);
        stop.Cancel();
        digest.Add(new Extent(0, 1L << 50), null);
        Assert.That(digest.Complete, Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public void Dispose_CopyNeverEnded_Returns([Values] bool isHashing)
    {
        using var target = new SlowDevice(new byte[Length], 1);
        var digest = new FollowingDigest(target, CancellationToken.None);
        // More zeros than can be hashed while anybody waits.
        if (isHashing) digest.Add(new Extent(0, 1L << 50), null);
        Assert.That(Task.Run(digest.Dispose).Wait(TimeSpan.FromSeconds(10)), Is.True);
    }
}
