using VmRepl.Blocks;

namespace VmRepl.Conformance;

/// <summary>What every block device that can be written keeps, judged by an array that takes the same requests. Linked into the test projects of whoever has such a device.</summary>
public abstract class BlockDeviceContract
{
    private const int Steps = 400;

    /// <summary>A device of 4 MiB of zeros.</summary>
    protected const int DiskBytes = 4 << 20;

    /// <summary>Whether requests may begin and end anywhere; otherwise on sectors.</summary>
    protected virtual bool IsByteAddressed => true;

    protected abstract IBlockDevice Make();

    [TestCase(1)]
    [TestCase(2)]
    [TestCase(3)]
    public void Device_AnyRequests_HoldsWhatAnArrayHolds(int seed)
    {
        using var device = Make();
        var random = new Random(seed);
        var expected = new byte[DiskBytes];
        var unit = IsByteAddressed ? 1 : device.SectorSize;
        for (var step = 0; step < Steps; step++)
        {
            var length = (1 + random.Next(random.Next(4) == 0 ? 200_000 / unit : 5000 / unit)) * unit;
            var offset = random.Next((DiskBytes - length) / unit) * unit;
            switch (random.Next(6))
            {
                case 0 or 1:
                    random.NextBytes(expected.AsSpan(offset, length));
                    device.Write(offset, expected.AsSpan(offset, length));
                    break;
                case 2:
                    expected.AsSpan(offset, length).Clear();
                    device.Zero(offset, length);
                    break;
                case 3:
                    expected.AsSpan(offset, length).Clear();
                    device.Punch(offset, length);
                    break;
                case 4:
                    device.Flush();
                    break;
                default:
                    var read = new byte[length];
                    device.Read(offset, read);
                    Assert.That(read.AsSpan().SequenceEqual(expected.AsSpan(offset, length)), Is.True, $"seed {seed}, step {step}: {length} bytes at {offset}");
                    break;
            }
        }

        var all = new byte[DiskBytes];
        device.Read(0, all);
        Assert.That(all.AsSpan().SequenceEqual(expected), Is.True, $"seed {seed}");
        CheckMap(device, expected, 0, DiskBytes);
        CheckMap(device, expected, 1_000_000 / unit * unit, 70_000 / unit * unit);
    }

    [Test]
    public void Device_ReadBesideWritesOfOtherSectors_IsNotDisturbed()
    {
        using var device = Make();
        var still = new byte[1 << 20];
        new Random(7).NextBytes(still);
        device.Write(0, still);
        using var stopping = new CancellationTokenSource();
        var readers = Enumerable.Range(0, 3).Select(n => Task.Run(() =>
        {
            var random = new Random(n);
            var buffer = new byte[8192];
            while (!stopping.IsCancellationRequested)
            {
                var offset = random.Next((still.Length - buffer.Length) / 512) * 512;
                device.Read(offset, buffer);
                if (!buffer.AsSpan().SequenceEqual(still.AsSpan(offset, buffer.Length))) throw new InvalidDataException($"{offset} changed");
            }
        })).ToArray();
        var writing = new Random(9);
        var data = new byte[16_384];
        for (var i = 0; i < 300; i++)
        {
            writing.NextBytes(data);
            device.Write(still.Length + (writing.Next((DiskBytes - still.Length - data.Length) / 512) * 512), data);
        }

        stopping.Cancel();
        Assert.That(() => Task.WaitAll(readers), Throws.Nothing);
    }

    [Test]
    public void Device_NothingWritten_IsZerosAndItsMapHasNoData()
    {
        using var device = Make();
        Assert.Multiple(() =>
        {
            Assert.That(device.Length, Is.EqualTo(DiskBytes));
            Assert.That(device.IsReadOnly, Is.False);
        });
        CheckMap(device, new byte[DiskBytes], 0, DiskBytes);
    }

    /// <summary>The map covers the range exactly, and what it calls no data is zeros.</summary>
    private static void CheckMap(IBlockDevice device, byte[] expected, long offset, long length)
    {
        var at = offset;
        foreach (var run in device.Map(offset, length))
        {
            Assert.That(run.Offset, Is.EqualTo(at));
            Assert.That(run.Length, Is.Positive);
            if (!run.HasData) Assert.That(Sectors.IsZero(expected.AsSpan((int)run.Offset, (int)run.Length)), Is.True, $"{run} is not zeros");
            at = run.End;
        }

        Assert.That(at, Is.EqualTo(offset + length));
    }
}
