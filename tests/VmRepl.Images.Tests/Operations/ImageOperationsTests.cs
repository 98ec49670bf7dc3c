using System.Security.Cryptography;
using VmRepl.Blocks;
using VmRepl.Blocks.Decorators;
using VmRepl.Images.Operations;

namespace VmRepl.Images.Tests.Operations;

/// <summary>Converting, comparing and digesting, with qemu-img as referee and lengths that are multiples of nothing nice.</summary>
public sealed class ImageOperationsTests
{
    private const int Length = (5 << 20) + 3 * 512;

    private ScratchDirectory scratch = null!;

    [SetUp]
    public void Make()
    {
        ExternalTool.Require("qemu-img");
        scratch = new ScratchDirectory();
    }

    [TearDown]
    public void Remove() => scratch?.Dispose();

    /// <summary>Data, long zeros inside data, single zero bytes' worth of trouble at the edges of grains, and a data tail.</summary>
    private static byte[] Mixed(int length)
    {
        var bytes = Contents.Random(length, 5);
        bytes.AsSpan(1 << 20, 1 << 20).Clear();
        bytes.AsSpan((2 << 20) + 4095, 8194).Clear();
        bytes.AsSpan((3 << 20) + 1, 4095).Clear();
        bytes.AsSpan(length - 512 - 65536, 65536).Clear();
        return bytes;
    }

    [TestCase(ImageFormat.Raw, ImageFormat.Qcow2)]
    [TestCase(ImageFormat.Qcow2, ImageFormat.Raw)]
    [TestCase(ImageFormat.Qcow2, ImageFormat.Qcow2)]
    [TestCase(ImageFormat.Raw, ImageFormat.Raw)]
    public void Convert_GivesTheSameContentsThin(ImageFormat from, ImageFormat to)
    {
        var contents = Mixed(Length);
        File.WriteAllBytes(scratch["in.raw"], contents);
        QemuImg.Must("qemu-img", ["convert", "-f", "raw", "-O", from.Name(), scratch["in.raw"], scratch["in.img"]]);
        var progress = new Steps();
        using (var source = DiskImages.Open(scratch["in.img"], new() { Format = from }))
        using (var target = DiskImages.Create(scratch["out.img"], to, source.Length))
        {
            var result = ImageConverter.Convert(source, target, new ConvertOptions { Flush = true, Progress = progress }, CancellationToken.None);
            Assert.That(result.BytesWritten, Is.LessThan(Length - (1 << 20)).And.GreaterThan(3 << 20));
            Assert.That(result.BytesRead, Is.LessThanOrEqualTo(Length));
        }

        Assert.That(progress.Reports, Is.Ordered);
        Assert.That(progress.Reports[^1], Is.EqualTo(Length));
        QemuImg.Contents(scratch["out.img"], to.Name()).MustBe(contents);
        Assert.That(QemuImg.Say("qemu-img", ["compare", "-f", from.Name(), "-F", to.Name(), scratch["in.img"], scratch["out.img"]]).Status, Is.Zero);
        if (to == ImageFormat.Qcow2) QemuImg.MustBeClean(scratch["out.img"]);
    }

    [Test]
    public void Convert_OfAHole_ReadsAndWritesNothing()
    {
        using var source = DiskImages.Create(scratch["in.qcow2"], ImageFormat.Qcow2, 1L << 40);
        source.Write(1L << 39, [1]);
        using var target = DiskImages.Create(scratch["out.qcow2"], ImageFormat.Qcow2, 1L << 40);
        Assert.That(ImageConverter.Convert(source, target, new ConvertOptions(), CancellationToken.None), Is.EqualTo(new ConvertResult(65536, 4096)));
        Assert.That(ImageComparer.Compare(source, target, null, CancellationToken.None).Equal);
    }

    [Test]
    public void Convert_OfADamagedSource_EndsInTheSourcesError()
    {
        QemuImg.Create(scratch["a.qcow2"], Length);
        ExternalTool.Require("qemu-io");
        QemuImg.Io(scratch["a.qcow2"], ["write -q -P 1 0 4M"]);
        using (var file = Blocks.Files.HostFile.Open(scratch["a.qcow2"], Blocks.Files.HostFileAccess.ReadWrite)) file.SetLength(file.Length - (1 << 20));
        using var source = DiskImages.Open(scratch["a.qcow2"]);
        using var target = DiskImages.Create(scratch["out.raw"], ImageFormat.Raw, Length);
        Assert.That(() => ImageConverter.Convert(source, target, new ConvertOptions(), CancellationToken.None), Throws.TypeOf<ImageFormatException>());
    }

    [Test]
    public void Convert_ThatIsCancelled_SaysSo()
    {
        File.WriteAllBytes(scratch["in.raw"], Mixed(Length));
        using var source = DiskImages.Open(scratch["in.raw"], new() { Format = ImageFormat.Raw });
        using var target = DiskImages.Create(scratch["out.raw"], ImageFormat.Raw, Length);
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        Assert.That(() => ImageConverter.Convert(source, target, new ConvertOptions(), cancelled.Token), Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public void Convert_ToAShorterTarget_IsRefused()
    {
        using var source = DiskImages.Create(scratch["in.raw"], ImageFormat.Raw, 1024);
        using var target = DiskImages.Create(scratch["out.raw"], ImageFormat.Raw, 512);
        Assert.That(() => ImageConverter.Convert(source, target, new ConvertOptions(), CancellationToken.None), Throws.ArgumentException);
    }

    [TestCase(0)]
    [TestCase(1_500_000)]
    [TestCase(Length - 1)]
    public void Compare_FindsTheFirstByteThatDiffers(int at)
    {
        var contents = Mixed(Length);
        File.WriteAllBytes(scratch["a.raw"], contents);
        contents[at] ^= 1;
        if (at < Length - 1) contents[at + 1] ^= 1;
        File.WriteAllBytes(scratch["b.raw"], contents);
        QemuImg.Must("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", scratch["b.raw"], scratch["b.qcow2"]]);
        using var a = DiskImages.Open(scratch["a.raw"], new() { Format = ImageFormat.Raw });
        using var b = DiskImages.Open(scratch["b.qcow2"]);
        var result = ImageComparer.Compare(a, b, null, CancellationToken.None);
        Assert.That((result.Equal, result.FirstDifference), Is.EqualTo((false, (long)at)));
        Assert.That(result.Reason, Is.Not.Null);
    }

    /// <summary>Pieces are compared side by side: what lies first counts, whichever is found first.</summary>
    [Test]
    public void Compare_SeveralDifferencesAndAReadThatFails_TellsOfTheFirst([Range(1, 40)] int seed)
    {
        const int piece = 1 << 20, pieces = 6;
        var random = new Random(seed);
        using var a = DiskImages.Create(scratch["a.raw"], ImageFormat.Raw, pieces * piece);
        using var b = DiskImages.Create(scratch["b.raw"], ImageFormat.Raw, pieces * piece);
        for (var i = 0; i < pieces; i++)
        {
            a.Write(i * piece, [1]);
            b.Write(i * piece, [1]);
        }

        var differences = Enumerable.Range(0, random.Next(1, 4)).Select(_ => (long)random.Next(1, pieces * piece)).ToList();
        foreach (var at in differences) b.Write(at, [2]);
        var (first, bad) = (differences.Min(), random.Next(pieces));
        using var failing = new FailingDevice(a, seed, new FailureRule { Operation = DeviceOperation.Read, Range = new Extent(bad * (long)piece, piece) });
        if (bad <= first / piece) Assert.That(() => ImageComparer.Compare(failing, b, null, CancellationToken.None), Throws.InstanceOf<IOException>());
        else Assert.That(ImageComparer.Compare(failing, b, null, CancellationToken.None).FirstDifference, Is.EqualTo(first));
    }

    [Test]
    public void Compare_Cancelled_Ends()
    {
        using var a = DiskImages.Create(scratch["a.raw"], ImageFormat.Raw, Length);
        Assert.That(() => ImageComparer.Compare(a, a, null, new CancellationToken(canceled: true)), Throws.InstanceOf<OperationCanceledException>());
    }

    [TestCase(false)]
    [TestCase(true)]
    public void Compare_OfDifferentSizes_IsEqualIfTheSurplusIsZeros(bool hasData)
    {
        using var small = DiskImages.Create(scratch["a.qcow2"], ImageFormat.Qcow2, 512 * 1000);
        using var large = DiskImages.Create(scratch["b.raw"], ImageFormat.Raw, 512 * 5000);
        if (hasData) large.Write(512 * 3000, [7]);
        var expected = hasData ? (false, 512L * 3000) : (true, -1L);
        foreach (var (a, b) in new[] { (small, large), (large, small) })
        {
            var result = ImageComparer.Compare(a, b, null, CancellationToken.None);
            Assert.That((result.Equal, result.FirstDifference), Is.EqualTo(expected));
        }
    }

    [Test]
    public void Compare_OfWrittenZerosWithAHole_IsEqual()
    {
        using var a = DiskImages.Create(scratch["a.raw"], ImageFormat.Raw, Length);
        using var b = DiskImages.Create(scratch["b.raw"], ImageFormat.Raw, Length);
        a.Write(0, new byte[Length]);
        Assert.That(ImageComparer.Compare(a, b, null, CancellationToken.None), Is.EqualTo(new ComparisonResult(true, -1, null)));
    }

    [Test]
    public void Digest_IsThatOfTheRawContents()
    {
        var contents = Mixed(Length);
        File.WriteAllBytes(scratch["a.raw"], contents);
        QemuImg.Must("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", scratch["a.raw"], scratch["a.qcow2"]]);
        var progress = new Steps();
        using var image = DiskImages.Open(scratch["a.qcow2"]);
        Assert.That(ImageDigest.Sha256(image, progress, CancellationToken.None), Is.EqualTo(SHA256.HashData(contents)));
        Assert.That(progress.Reports[^1], Is.EqualTo(Length));
    }

    private sealed class Steps : IProgress<long>
    {
        public List<long> Reports { get; } = [];

        public void Report(long value) => Reports.Add(value);
    }
}
