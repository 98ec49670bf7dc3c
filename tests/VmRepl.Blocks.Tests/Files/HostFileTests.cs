using VmRepl.Blocks.Files;

namespace VmRepl.Blocks.Tests.Files;

[TestFixture]
public class HostFileTests
{
    private const int MiB = 1024 * 1024;

    private readonly TemporaryDirectory directory = new();
    private int files;

    [OneTimeTearDown]
    public void Remove() => directory.Dispose();

    [Test]
    public void CreateNew_NameExists_FailsAndLeavesTheFile()
    {
        using (var file = New()) file.Write(0, "kept"u8);
        Assert.That(() => HostFile.Open(Last, HostFileAccess.CreateNew), Throws.InstanceOf<IOException>());
        Assert.That(File.ReadAllText(Last), Is.EqualTo("kept"));
    }

    [TestCase(HostFileAccess.Read)]
    [TestCase(HostFileAccess.ReadWrite)]
    public void Open_NameMissing_FailsAndMakesNothing(HostFileAccess access)
    {
        Assert.That(() => HostFile.Open(directory["missing"], access), Throws.InstanceOf<FileNotFoundException>());
        Assert.That(File.Exists(directory["missing"]), Is.False);
    }

    [TestCase(HostFileAccess.Read)]
    [TestCase(HostFileAccess.ReadWrite)]
    public void Open_Directory_IsAnIoFailureThatNamesIt(HostFileAccess access) =>
        Assert.That(() => HostFile.Open(directory.Path, access), Throws.InstanceOf<IOException>().With.Message.Contains(directory.Path));

    [Test]
    public void Open_AFileThatIsOpenElsewhere_TakesNoLock()
    {
        using var first = New();
        using var second = HostFile.Open(Last, HostFileAccess.ReadWrite);
        first.Write(0, "one"u8);
        Assert.That(Bytes(second, 0, 3), Is.EqualTo("one"u8.ToArray()));
    }

    [Test]
    public void Write_ReadOnlyFile_Fails()
    {
        New().Dispose();
        using var file = HostFile.Open(Last, HostFileAccess.Read);
        Assert.That(file.IsReadOnly, Is.True);
        Assert.That(() => file.Write(0, "x"u8), Throws.InstanceOf<UnauthorizedAccessException>().Or.InstanceOf<IOException>());
    }

    [Test]
    public void Read_AcrossTheEnd_GivesWhatIsThere()
    {
        using var file = New();
        file.Write(0, new byte[100]);
        Assert.That(file.Read(60, new byte[100]), Is.EqualTo(40));
        Assert.That(file.Read(100, new byte[10]), Is.Zero);
        Assert.That(file.Read(long.MaxValue - 10, new byte[10]), Is.Zero);
        Assert.That(file.Read(0, []), Is.Zero);
    }

    [Test]
    public void ReadExactly_AcrossTheEnd_NamesFileOffsetAndSize()
    {
        using var file = New();
        file.Write(0, new byte[100]);
        Assert.That(() => file.ReadExactly(60, new byte[50]), Throws.InstanceOf<EndOfStreamException>().With.Message.Contains(Last).And.Message.Contains("60").And.Message.Contains("50"));
        file.ReadExactly(50, new byte[50]);
    }

    [Test]
    public void Write_BeyondTheEnd_LeavesZerosBetween()
    {
        using var file = New();
        file.Write(3 * MiB, "end"u8);
        Assert.That(file.Length, Is.EqualTo((3 * MiB) + 3));
        Assert.That(Sectors.IsZero(Bytes(file, 0, 3 * MiB)), Is.True);
        file.SetLength(MiB);
        file.SetLength(4 * MiB);
        Assert.That(Sectors.IsZero(Bytes(file, 0, 4 * MiB)), Is.True, "what was cut off does not come back");
    }

    [Test]
    public void Write_ManyParts_IsTheirConcatenation()
    {
        using var file = New();
        // More than one call of the system takes (IOV_MAX is 1024), with empty ones between.
        var parts = Enumerable.Range(0, 2500).Select(i => (ReadOnlyMemory<byte>)Enumerable.Repeat((byte)i, i % 7).ToArray()).ToArray();
        file.Write(123, parts);
        var expected = parts.SelectMany(part => part.ToArray()).ToArray();
        Assert.That(Bytes(file, 123, expected.Length), Is.EqualTo(expected));
        Assert.That(file.Length, Is.EqualTo(123 + expected.Length));
    }

    [Test]
    public void Allocation_SparseFile_CountsTheDataAlone()
    {
        using var file = New();
        file.SetLength(64 * MiB);
        file.Write(8 * MiB, new byte[MiB]);
        file.Flush();
        Assert.That(HostFileAllocation.Bytes(Last), OperatingSystem.IsLinux() ? Is.InRange(MiB, 2 * MiB) : Is.EqualTo(64 * MiB));
        Assert.That(() => HostFileAllocation.Bytes(directory["missing"]), Throws.InstanceOf<FileNotFoundException>());
    }

    [Test]
    public void Flush_AfterWriting_Succeeds()
    {
        using var file = New();
        file.Write(0, new byte[5000]);
        file.Flush();
        Assert.That(new FileInfo(Last).Length, Is.EqualTo(5000));
    }

    [Test]
    public void Punch_Middle_ReadsAsZerosAndKeepsTheRest([Values(4096, 5000, 100)] int length)
    {
        using var file = New();
        var ones = Enumerable.Repeat((byte)1, MiB).ToArray();
        file.Write(0, ones);
        if (!file.TryPunch(8192, length))
        {
            Assert.That(Bytes(file, 0, MiB), Is.EqualTo(ones), "a volume that cannot has done nothing");
            return;
        }

        var expected = ones.ToArray();
        expected.AsSpan(8192, length).Clear();
        Assert.That(Bytes(file, 0, MiB), Is.EqualTo(expected));
        Assert.That(file.Length, Is.EqualTo(MiB));
    }

    [Test]
    public void Punch_AcrossAndBeyondTheEnd_KeepsTheLength()
    {
        using var file = New();
        file.Write(0, Enumerable.Repeat((byte)1, 8192).ToArray());
        Assert.That(file.TryPunch(4096, MiB), Is.EqualTo(file.TryPunch(MiB, MiB)));
        Assert.That(file.Length, Is.EqualTo(8192));
        Assert.That(file.TryPunch(0, 0), Is.EqualTo(OperatingSystem.IsLinux()), "nothing to do");
    }

    [Test]
    public void Punch_RangeThatIsNone_Fails()
    {
        using var file = New();
        file.Write(0, new byte[4096]);
        if (OperatingSystem.IsLinux()) Assert.That(() => file.TryPunch(-4096, 4096), Throws.InstanceOf<IOException>().With.Message.Contains(Last));
        else Assert.That(file.TryPunch(-4096, 4096), Is.False);
    }

    [Test]
    public void Map_AnyWritesAndPunches_CoversTheRangeAndHidesNoData([Range(1, 10)] int seed)
    {
        var random = new Random(seed);
        using var file = New();
        file.SetLength(8 * MiB);
        for (var i = 0; i < 30; i++)
        {
            var block = random.Next(2048);
            var blocks = random.Next(1, Math.Min(60, 2049 - block));
            if (random.Next(3) > 0) file.Write(block * 4096L, Enumerable.Repeat((byte)i, blocks * 4096).ToArray());
            else file.TryPunch(block * 4096L, blocks * 4096L);
        }

        var contents = Bytes(file, 0, 8 * MiB);
        for (var asked = 0; asked < 20; asked++)
        {
            long offset = random.Next(8 * MiB), length = random.Next(10 * MiB);
            var at = offset;
            foreach (var run in file.Map(offset, length))
            {
                Assert.That(run.Offset, Is.EqualTo(at), $"seed {seed}: no gap, no overlap");
                Assert.That(run.Length, Is.Positive);
                if (run.IsHole) Assert.That(Sectors.IsZero(contents.AsSpan((int)run.Offset, (int)run.Length)), Is.True, $"seed {seed}: data in the hole {run}");
                at = run.End;
            }

            Assert.That(at, Is.EqualTo(Math.Min(offset + length, 8 * MiB)));
        }
    }

    [Test]
    public void Map_SparseFile_FindsItsHoles()
    {
        using var file = New();
        file.Write(4 * MiB, new byte[MiB]);
        file.SetLength(9 * MiB);
        var runs = file.Map(0, long.MaxValue).ToArray();
        Assert.That(runs[^1].End, Is.EqualTo(9 * MiB));
        // A volume without holes may say that all is data; ours (ext4, xfs, btrfs, tmpfs) can tell.
        if (OperatingSystem.IsLinux())
            Assert.That(runs, Is.EqualTo(new[] { new FileRun(0, 4 * MiB, true), new FileRun(4 * MiB, MiB, false), new FileRun(5 * MiB, 4 * MiB, true) }));
    }

    [Test]
    public void Map_RangeThatEndsBeyondTheNumbers_EndsAtTheFilesEnd()
    {
        using var file = New();
        file.Write(0, new byte[8192]);
        Assert.That(file.Map(4096, long.MaxValue).Sum(run => run.Length), Is.EqualTo(4096));
        Assert.That(file.Map(8192, 10), Is.Empty);
        Assert.That(file.Map(MiB, 10), Is.Empty);
        Assert.That(file.Map(0, 0), Is.Empty);
    }

    [Test]
    public void CloneRange_Answer_IsHonest()
    {
        using var source = New();
        var noise = new byte[MiB];
        new Random(1).NextBytes(noise);
        source.Write(0, noise);
        source.Flush();
        using var target = New();
        target.SetLength(MiB);
        var isShared = target.TryCloneRange(source, 0, 0, MiB);
        Assert.That(Bytes(target, 0, MiB), Is.EqualTo(isShared ? noise : new byte[MiB]));
    }

    [Test]
    public void Identity_FileUntouched_StaysTheSame()
    {
        using var file = New();
        file.Write(0, new byte[10]);
        var before = file.Identity;
        using var again = HostFile.Open(Last, HostFileAccess.Read);
        Assert.That(again.Identity, Is.EqualTo(before));
        Assert.That(before.Length, Is.EqualTo(10));
    }

    [Test]
    public void Identity_WrittenAndTimeSetBack_Differs()
    {
        if (!OperatingSystem.IsLinux()) return;
        using var file = New();
        file.Write(0, new byte[10]);
        var before = file.Identity;
        var time = File.GetLastWriteTimeUtc(Last);
        Thread.Sleep(20); // The kernel's clock for files ticks every 4 ms or 10 ms.
        file.Write(0, new byte[10]);
        File.SetLastWriteTimeUtc(Last, time);
        var after = file.Identity;
        Assert.That(after.ModifiedNs / 100, Is.EqualTo(before.ModifiedNs / 100), "the program set it back");
        Assert.That(after.ChangedNs, Is.GreaterThan(before.ChangedNs), "the kernel did not");
        Assert.That(after, Is.Not.EqualTo(before));
        Assert.That(after.IsSameFile(before), Is.True);
    }

    [Test]
    public void Identity_ReplacedUnderTheSameName_IsAnotherFile()
    {
        using var first = New();
        var name = Last;
        using (var second = New()) second.Write(0, "x"u8);
        File.Move(Last, name, overwrite: true);
        using var now = HostFile.Open(name, HostFileAccess.Read);
        if (OperatingSystem.IsLinux()) Assert.That(now.Identity.IsSameFile(first.Identity), Is.False);
        Assert.That(now.Identity, Is.Not.EqualTo(first.Identity));
    }

    [Test]
    public void LengthAndMap_OfAFileBetweenItsWrites_LeaveTheTimesOfOthersAlone()
    {
        if (!OperatingSystem.IsLinux()) return;
        // Files that are written within one tick have the same time, unless somebody asked for a file's times meanwhile (Linux 6.13 and later). Only a round at whose time the clock ticks may differ.
        const int rounds = 20;
        var equal = 0;
        for (var i = 0; i < rounds; i++)
        {
            using var before = New();
            using var file = New();
            file.Write(0, new byte[10]);
            before.Write(0, new byte[10]);
            Assert.That(file.Length, Is.EqualTo(10));
            Assert.That(file.Map(0, 10).Count(), Is.EqualTo(1));
            file.Write(0, new byte[10]);
            if (file.Identity.ModifiedNs == before.Identity.ModifiedNs) equal++;
        }

        Assert.That(equal, Is.GreaterThanOrEqualTo(rounds / 2));
    }

    [Test]
    public void Identity_FileDisposed_IsRefused()
    {
        // Its descriptor may by then belong to another file.
        var file = New();
        file.Dispose();
        Assert.That(() => file.Identity, Throws.InstanceOf<ObjectDisposedException>());
    }

    [Test]
    public void Io_ManyThreads_DifferentRangesDoNotMix()
    {
        using var file = New();
        Parallel.For(0, 64, i => file.Write(i * 10_007L, Enumerable.Repeat((byte)(i + 1), 10_007).ToArray()));
        Parallel.For(0, 64, i => Assert.That(Bytes(file, i * 10_007L, 10_007), Has.All.EqualTo((byte)(i + 1))));
    }

    private string Last => directory[$"file-{files}"];

    private HostFile New()
    {
        files++;
        return HostFile.Open(Last, HostFileAccess.CreateNew);
    }

    private static byte[] Bytes(HostFile file, long offset, int length)
    {
        var bytes = new byte[length];
        file.ReadExactly(offset, bytes);
        return bytes;
    }
}
