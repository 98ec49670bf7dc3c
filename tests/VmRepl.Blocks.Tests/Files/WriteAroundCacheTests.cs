using VmRepl.Blocks.Files;

namespace VmRepl.Blocks.Tests.Files;

/// <summary>Writes around the page cache look like any other to everybody who comes after them; where the volume has none, they are others.</summary>
[TestFixture]
public class WriteAroundCacheTests
{
    private const int MiB = 1024 * 1024;

    private readonly TemporaryDirectory directory = new();
    private int files;

    [OneTimeTearDown]
    public void Remove() => directory.Dispose();

    [TestCase(0, 3 * MiB)]
    [TestCase(4096, MiB + 4096)]
    [TestCase(8192, 20 * MiB)]
    public void WriteAroundCache_PartsOfAnyLength_AreReadBackByAnotherOpener(long offset, int length)
    {
        using var file = New();
        file.SetLength(64L * MiB);
        var data = Random(length, 1);
        file.WriteAroundCache(offset, Cut(data));
        Assert.That(Bytes(file, offset, length), Is.EqualTo(data));
        using var other = HostFile.Open(file.Path, HostFileAccess.Read);
        Assert.That(Bytes(other, offset, length), Is.EqualTo(data));
    }

    [TestCase(512, MiB)]
    [TestCase(0, MiB + 512)]
    public void WriteAroundCache_NotInWholeBlocks_IsAWriteAllTheSame(long offset, int length)
    {
        using var file = New();
        var data = Random(length, 2);
        file.WriteAroundCache(offset, Cut(data));
        file.Flush();
        Assert.That(File.ReadAllBytes(file.Path)[(int)offset..], Is.EqualTo(data));
    }

    [Test]
    public void WriteAroundCache_ThenEverythingElse_SeesItInOrder()
    {
        using var file = New();
        file.SetLength(32L * MiB);
        var expected = new byte[32 * MiB];
        var random = new Random(3);
        for (var i = 0; i < 120; i++)
        {
            var offset = random.Next(0, 28 * 256) * 4096;
            var data = Random(random.Next(1, 4) * MiB, i);
            data.CopyTo(expected, offset);
            file.WriteAroundCache(offset, Cut(data));
            // What comes next may meet it while it is on its way.
            var small = offset + (random.Next(-64, 64) * 512) is > 0 and var near ? near : 0;
            switch (random.Next(5))
            {
                case 0:
                    var patch = Random(1536, i);
                    patch.CopyTo(expected, small);
                    file.Write(small, patch);
                    break;
                case 1:
                    Assert.That(file.TryPunch(offset + 4096, 65536), Is.True);
                    expected.AsSpan(offset + 4096, 65536).Clear();
                    break;
                case 2:
                    Assert.That(Bytes(file, small, 70_000), Is.EqualTo(expected[small..(small + 70_000)]));
                    break;
                case 3:
                    Assert.That(file.Map(offset, data.Length).All(r => !r.IsHole), Is.True, "what was written is no hole");
                    break;
                default:
                    file.Flush();
                    break;
            }
        }

        file.Flush();
        Assert.That(File.ReadAllBytes(file.Path), Is.EqualTo(expected));
    }

    [Test]
    public async Task WriteAroundCache_FromManyFilesAtOnce_EachHasItsOwn()
    {
        // More than there are queues: those who come when all are in use write in another way.
        await Task.WhenAll(Enumerable.Range(0, 24).Select(i => Task.Run(() =>
        {
            using var file = New();
            for (var round = 0; round < 4; round++)
            {
                var data = Random(2 * MiB, (i * 10) + round);
                file.WriteAroundCache(round * 2L * MiB, Cut(data));
                Assert.That(Bytes(file, round * 2L * MiB, data.Length), Is.EqualTo(data));
            }
        })));
    }

    [Test]
    public void Dispose_WhileAWriteIsOnItsWay_LosesNothing()
    {
        var data = Random(8 * MiB, 5);
        string path;
        using (var file = New())
        {
            path = file.Path;
            file.WriteAroundCache(0, Cut(Random(MiB, 6)));
            file.WriteAroundCache(0, Cut(data));
        }

        Assert.That(File.ReadAllBytes(path), Is.EqualTo(data));
    }

    [Test]
    public void WriteAroundCache_Fails_IsToldAtTheLatestByTheFlushAndFromThenOn()
    {
        using var file = New();
        file.WriteAroundCache(0, Cut(Random(2 * MiB, 7)));
        // No volume has a byte there.
        const long beyond = long.MaxValue / 4096 * 4096 - (64L * MiB);
        Assert.That(
            () =>
            {
                file.WriteAroundCache(beyond, Cut(new byte[2 * MiB]));
                file.Flush();
            },
            Throws.InstanceOf<IOException>().With.Message.Contains(file.Path));
        if (OperatingSystem.IsLinux()) Assert.That(file.Flush, Throws.InstanceOf<IOException>(), "what was not written once is not flushed later");
    }

    private HostFile New() => HostFile.Open(directory[$"file-{Interlocked.Increment(ref files)}"], HostFileAccess.CreateNew);

    private static byte[] Random(int length, int seed)
    {
        var data = new byte[length];
        new Random(seed).NextBytes(data);
        return data;
    }

    private static byte[] Bytes(HostFile file, long offset, int length)
    {
        var read = new byte[length];
        Assert.That(file.Read(offset, read), Is.EqualTo(length));
        return read;
    }

    /// <summary>In parts whose ends are nowhere in particular.</summary>
    private static List<ReadOnlyMemory<byte>> Cut(byte[] data)
    {
        var parts = new List<ReadOnlyMemory<byte>>();
        for (var at = 0; at < data.Length; at += 300_001) parts.Add(data.AsMemory(at, Math.Min(300_001, data.Length - at)));
        return parts;
    }
}
