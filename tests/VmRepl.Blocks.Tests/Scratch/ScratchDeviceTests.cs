using VmRepl.Blocks.Files;
using VmRepl.Blocks.Scratch;
using VmRepl.Blocks.Tests.Files;

namespace VmRepl.Blocks.Tests.Scratch;

internal sealed class ScratchDeviceTests
{
    // No multiple of any unit but the sector: the last unit is short.
    private const int DiskBytes = 2051 * Sectors.Size;

    private TemporaryDirectory directory = null!;
    private int files;

    [SetUp]
    public void MakeDirectory()
    {
        directory = new TemporaryDirectory();
        files = 0;
    }

    [TearDown]
    public void RemoveDirectory() => directory.Dispose();

    /// <param name="mapBytesMax">513 bytes hold a state for each sector, 65 for each 4096 bytes, 3 for each 128 KiB.</param>
    [Test]
    public void Requests_Random_ReadAndMapAsAByteArrayDoes([Values(513, 65, 3)] int mapBytesMax, [Values(1, 2, 3)] int seed, [Values] bool areSectors)
    {
        var random = new Random(seed);
        var below = new HoledDevice(DiskBytes, seed);
        var contents = (byte[])below.Contents.Clone();
        var touched = new bool[DiskBytes / Sectors.Size];
        var states = new BlockState?[DiskBytes / Sectors.Size];
        using var device = Open(below, mapBytesMax: mapBytesMax);
        Assert.That(device.UnitBytes, Is.EqualTo(mapBytesMax switch { 513 => 512, 65 => 4096, _ => 131072 }));
        for (var step = 0; step < 400; step++)
        {
            var (offset, length) = Range(random, areSectors);
            var target = contents.AsSpan(offset, length);
            var kind = random.Next(4);
            if (kind < 2)
            {
                random.NextBytes(target);
                device.Write(offset, target);
            }
            else
            {
                target.Clear();
                if (kind == 2) device.Zero(offset, length);
                else device.Punch(offset, length);
            }

            for (var sector = offset / Sectors.Size; sector * Sectors.Size < offset + length; sector++)
            {
                touched[sector] = true;
                states[sector] = kind < 2 ? BlockState.Data : kind == 2 ? BlockState.Zero : BlockState.Unallocated;
            }

            var (from, count) = Range(random, areSectors: false);
            AssertReads(device, contents, from, count, $"seed {seed}, step {step}");
            AssertMap(device, contents, from, count, $"seed {seed}, step {step}");
        }

        AssertReads(device, contents, 0, DiskBytes, $"seed {seed}");
        AssertMap(device, contents, 0, DiskBytes, $"seed {seed}");
        if (mapBytesMax != 513) return;
        var map = device.Map(0, DiskBytes).ToList();
        Assert.Multiple(() =>
        {
            foreach (var run in map)
            {
                for (var at = run.Offset; at < run.End; at += Sectors.Size)
                {
                    var sector = at / Sectors.Size;
                    Assert.That(run.Depth, Is.EqualTo(touched[sector] ? 0 : 1), $"seed {seed}: sector {sector}");
                    // A part of a sector that was zeroed after a write of another part of it is written.
                    var want = touched[sector] ? states[sector] : HoledDevice.IsHole(at) ? BlockState.Unallocated : BlockState.Data;
                    if (areSectors || !touched[sector]) Assert.That(run.State, Is.EqualTo(want), $"seed {seed}: sector {sector}");
                }
            }
        });
    }

    [Test]
    public void Write_OneOfTwoLayers_IsNotSeenByTheOther()
    {
        var below = new HoledDevice(DiskBytes, 1);
        using var one = Open(below);
        using var other = Open(below);
        one.Write(5000, new byte[10_000].Select(_ => (byte)1).ToArray());
        other.Punch(0, 8192);
        var found = new byte[DiskBytes];
        one.Read(0, found);
        Assert.That(found.AsSpan(5000, 10_000).IndexOfAnyExcept((byte)1), Is.Negative);
        Assert.That(found.AsSpan(0, 5000).SequenceEqual(below.Contents.AsSpan(0, 5000)), Is.True);
        other.Read(0, found);
        Assert.That(Sectors.IsZero(found.AsSpan(0, 8192)), Is.True);
        Assert.That(found.AsSpan(8192).SequenceEqual(below.Contents.AsSpan(8192)), Is.True);
    }

    /// <summary>Sectors of one unit: the writer brings up, overwrites and clears the neighbours of what is read.</summary>
    [Test]
    public void Read_BesideWritesOfOtherSectorsOfTheUnit_IsUndisturbed()
    {
        var below = new HoledDevice(1 << 20, 1);
        using var device = Open(below, mapBytesMax: (1 << 20) / 65536 / 4);
        Assert.That(device.UnitBytes, Is.EqualTo(65536));
        using var stop = new CancellationTokenSource();
        var reader = Task.Run(() =>
        {
            var found = new byte[Sectors.Size];
            var reads = 0;
            for (var random = new Random(2); !stop.IsCancellationRequested; reads++)
            {
                var sector = random.Next((1 << 20) / 1024) * 2;
                device.Read(sector * Sectors.Size, found);
                if (!found.AsSpan().SequenceEqual(below.Contents.AsSpan(sector * Sectors.Size, Sectors.Size))) throw new AssertionException($"sector {sector} after {reads} reads");
            }

            return reads;
        });
        var data = new byte[Sectors.Size];
        var writes = new Random(3);
        for (var i = 0; i < 5000 || (!reader.IsCompleted && i < 20_000); i++)
        {
            var offset = ((writes.Next((1 << 20) / 1024) * 2) + 1) * Sectors.Size;
            if (i % 3 == 0) device.Punch(offset, Sectors.Size);
            else device.Write(offset, data);
        }

        stop.Cancel();
        Assert.That(reader.Result, Is.Positive);
    }

    [TestCase(128L << 30, 512)]
    [TestCase((128L << 30) + 512, 1024)]
    [TestCase(1L << 40, 4096)]
    public void Create_LargeDisk_HasTheUnitThatFitsTheMap(long length, int unitBytes)
    {
        using var device = Open(new EmptyDevice(length));
        Assert.That(device.UnitBytes, Is.EqualTo(unitBytes));
        device.Write(length - 1024, new byte[] { 1, 2, 3 });
        var found = new byte[5];
        device.Read(length - 1025, found);
        Assert.That(found, Is.EqualTo(new byte[] { 0, 1, 2, 3, 0 }));
        Assert.That(device.Map(0, length).Sum(r => r.Length), Is.EqualTo(length));
    }

    [Test]
    public void Punch_OfWhatWasWritten_GivesTheFilesSpaceBack()
    {
        var file = Path.Combine(directory.Path, "s");
        using var device = new ScratchDevice(new EmptyDevice(1 << 30), new HostDirectory(directory.Path).Open("s", HostFileAccess.CreateNew), ownsBelow: true);
        Assert.That(new FileInfo(file).Length, Is.EqualTo(1 << 30));
        device.Write(123 << 20, Enumerable.Repeat((byte)7, 4 << 20).ToArray());
        Assert.That(DataBytes(), Is.EqualTo(4 << 20));
        device.Punch(123 << 20, 3 << 20);
        device.Zero(126 << 20, 512 << 10);
        Assert.That(DataBytes(), Is.EqualTo(512 << 10));

        long DataBytes()
        {
            using var again = new HostDirectory(directory.Path).Open("s", HostFileAccess.Read);
            return again.Map(0, 1 << 30).Where(r => !r.IsHole).Sum(r => r.Length);
        }
    }

    [Test]
    public void Requests_OnceNotOpenAnyMore_EndInThatError()
    {
        var isOpen = true;
        using var device = new ScratchDevice(new HoledDevice(DiskBytes, 1), NewFile(), ownsBelow: true, () =>
        {
            if (!isOpen) throw new InvalidOperationException("closed");
        });
        device.Write(0, new byte[512]);
        isOpen = false;
        foreach (Action request in new Action[] { () => device.Read(0, new byte[1]), () => device.Write(0, new byte[1]), () => device.Zero(0, 1), () => device.Punch(0, 1), device.Flush, () => Assert.That(device.Map(0, 1).Count(), Is.Zero) })
            Assert.That(request, Throws.InvalidOperationException);
    }

    [Test]
    public void Read_ScratchFileCutByOthers_IsAnErrorAndNoZeros()
    {
        using var device = Open(new HoledDevice(DiskBytes, 1));
        device.Write(8192, new byte[] { 1 });
        using (var cut = new HostDirectory(directory.Path).Open("1", HostFileAccess.ReadWrite)) cut.SetLength(4096);
        Assert.That(() => device.Read(8192, new byte[512]), Throws.InstanceOf<IOException>());
    }

    [Test]
    public void Dispose_Below_IsClosedWhereItIsOwned([Values] bool isOwned)
    {
        var below = new HoledDevice(DiskBytes, 1);
        new ScratchDevice(below, NewFile(), isOwned).Dispose();
        Assert.That(below.IsDisposed, Is.EqualTo(isOwned));
    }

    private ScratchDevice Open(IBlockDevice below, long mapBytesMax = ScratchDevice.DefaultMapBytesMax) => new(below, NewFile(), ownsBelow: true, mapBytesMax: mapBytesMax);

    private IHostFile NewFile() => new HostDirectory(directory.Path).Open($"{++files}", HostFileAccess.CreateNew);

    private static (int Offset, int Length) Range(Random random, bool areSectors)
    {
        var offset = random.Next(DiskBytes);
        var length = 1 + random.Next(Math.Min(DiskBytes - offset, random.Next(4) switch { 0 => 64, 1 => 8192, 2 => 65536, _ => DiskBytes / 4 }));
        if (!areSectors) return (offset, length);
        var end = (int)Sectors.AlignUp(offset + length, Sectors.Size);
        offset = (int)Sectors.AlignDown(offset, Sectors.Size);
        return (offset, end - offset);
    }

    private static void AssertReads(ScratchDevice device, byte[] contents, int offset, int length, string where)
    {
        var found = new byte[length];
        device.Read(offset, found);
        Assert.That(found.AsSpan().SequenceEqual(contents.AsSpan(offset, length)), Is.True, $"{where}: [{offset}, {offset + length})");
    }

    private static void AssertMap(ScratchDevice device, byte[] contents, long offset, long length, string where)
    {
        var at = offset;
        foreach (var run in device.Map(offset, length))
        {
            Assert.That(run.Offset, Is.EqualTo(at), where);
            Assert.That(run.Length, Is.Positive, where);
            if (!run.HasData) Assert.That(Sectors.IsZero(contents.AsSpan((int)run.Offset, (int)run.Length)), Is.True, $"{where}: {run} is not zeros");
            at = run.End;
        }

        Assert.That(at, Is.EqualTo(offset + length), where);
    }
}
