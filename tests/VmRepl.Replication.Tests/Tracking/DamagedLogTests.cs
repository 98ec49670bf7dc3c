using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Replication.Source.Tracking;
using VmRepl.Simulation.Storage;

namespace VmRepl.Replication.Tests.Tracking;

/// <summary>What is not to be believed ends in everything being marked, with the reason; never in an exception, and never in trust.</summary>
[Parallelizable(ParallelScope.All)]
public class DamagedLogTests
{
    private const long DiskLength = (33 << 20) + 512;

    private static readonly TestCaseData[] Damages =
    [
        Case("its header in pieces", CrashKind.ProcessKill, d => d.FlipBit(LogStage.Marks, 17, 3), "sda.marks: the header's checksum is wrong"),
        Case("another file", CrashKind.ProcessKill, d => d.FlipBit(LogStage.Marks, 0, 0), "sda.marks: it does not begin as a marks file does"),
        Case("a later version", CrashKind.ProcessKill, d => d.FlipBit(LogStage.Marks, 8, 1), "sda.marks: version 3 is not known"),
        Case("empty", CrashKind.ProcessKill, d => SetLength(d, LogStage.Marks, 0), "sda.marks: it ends at 0, in its header"),
        Case("half a header", CrashKind.ProcessKill, d => SetLength(d, LogStage.Marks, 100), "sda.marks: it ends at 100, in its header"),
        Case("a page short", CrashKind.ProcessKill, d => SetLength(d, LogStage.Marks, 16384), "sda.marks: its length is 16384 and not 20480"),
        Case("a page long", CrashKind.ProcessKill, d => SetLength(d, LogStage.Marks, 24576), "sda.marks: its length is 24576 and not 20480"),
        Case("gone", CrashKind.ProcessKill, d => d.Delete(LogStage.Marks), "sda.marks: it is missing"),
        Case("segments beyond the end", CrashKind.ProcessKill, d => d.FlipBit(LogStage.Marks, 4096 + 64 + 2, 1), "sda.marks: it marks segments beyond the disk's end"),
        Case("buckets beyond the end", CrashKind.ProcessKill, d => d.FlipBit(LogStage.Marks, 8191, 7), "sda.marks: it marks segments beyond the disk's end"),
        Case("sectors beyond the end", CrashKind.ProcessKill, d => d.FlipBit(LogStage.Marks, 16384 + 256, 1), "sda.marks: it marks sectors beyond the disk's end"),
        Case("the activity log gone", CrashKind.PowerLoss, d => d.Delete(LogStage.Active), "sda.active: it is missing"),
        Case("the activity log short", CrashKind.PowerLoss, d => SetLength(d, LogStage.Active, 512), "sda.active: its length is 512 and not 1024"),
        Case("the activity log's header", CrashKind.PowerLoss, d => d.FlipBit(LogStage.Active, 16, 0), "sda.active: its header is not that of this disk's activity log"),
        Case("a bit of the activity log", CrashKind.PowerLoss, d => d.FlipBit(LogStage.Active, 512, 2), "sda.active: the checksum of its sector 1 is wrong"),
    ];

    [TestCaseSource(nameof(Damages))]
    public async Task Open_Damaged_MarksEverythingAndSaysWhy(CrashKind kind, Action<SimulatedDirectory> damage, string wrong)
    {
        using var stage = new LogStage(DiskLength);
        await stage.WriteAsync(4096, 4096, clean: false);
        stage.Restart(kind, damage);
        Assert.That((stage.Log.OpenedAfter, stage.Log.Wrong), Is.EqualTo((LogStop.Damaged, wrong)));
        Assert.That(stage.Dirty, Is.EqualTo(new[] { new Extent(0, DiskLength) }));
        // And it is a log again.
        stage.Log.ClearSettled();
        await stage.WriteAsync(20 << 20, 4096, clean: false);
        stage.Restart(CrashKind.ProcessKill);
        Assert.That((stage.Log.OpenedAfter, stage.Dirty[0]), Is.EqualTo((LogStop.ProcessDeath, new Extent(20 << 20, 4096))));
    }

    [TestCase(DiskLength + 512)]
    [TestCase(DiskLength - (16 << 20))]
    public async Task Open_DiskHasAnotherLength_MarksEverything(long length)
    {
        using var stage = new LogStage(DiskLength);
        await stage.WriteAsync(4096, 4096, clean: false);
        stage.Log.CloseClean();
        stage.DiskLength = length;
        stage.Restart(CrashKind.ProcessKill);
        Assert.That((stage.Log.OpenedAfter, stage.Log.DirtyBytes), Is.EqualTo((LogStop.Damaged, length)));
        Assert.That(stage.Log.Wrong, Is.EqualTo($"sda.marks: it is about a disk of {DiskLength} bytes, and this one has {length}"));
    }

    [Test]
    public async Task Open_FileThatCannotBeRead_MarksEverything()
    {
        using var stage = new LogStage(DiskLength);
        await stage.WriteAsync(4096, 4096, clean: false);
        stage.Restart(CrashKind.ProcessKill, _ => stage.Volume.FailReadIn = 3);
        Assert.That((stage.Log.OpenedAfter, stage.Log.DirtyBytes), Is.EqualTo((LogStop.Damaged, DiskLength)));
        Assert.That(stage.Log.Wrong, Does.StartWith("sda.marks: it cannot be read: "));
    }

    /// <summary>Any bytes anywhere: opened, with marks that are no less than those that the damage left alone, and usable.</summary>
    [Test]
    public async Task Open_RandomDamage_NeverThrows([Range(1, 20)] int block)
    {
        for (var i = 0; i < 20; i++)
        {
            var random = new SeededRandom((ulong)((block * 100) + i));
            using var stage = new LogStage(DiskLength, exactMax: (int)random.Between(1, 3));
            for (var write = 0; write < 10; write++) await stage.WriteAsync(random.Between(0, (DiskLength / 4096) - 1) * 4096, 4096, random.Chance(0.5));
            if (random.Chance(0.3)) stage.Log.CloseClean();
            stage.Restart(random.Chance(0.5) ? CrashKind.ProcessKill : CrashKind.PowerLoss, directory =>
            {
                var name = random.Chance(0.7) ? LogStage.Marks : LogStage.Active;
                using var file = directory.Open(name, HostFileAccess.ReadWrite);
                for (var n = random.Between(1, 4); n > 0; n--)
                {
                    var noise = new byte[random.Between(1, 600)];
                    random.Fill(noise);
                    file.Write(random.Between(0, random.Chance(0.5) ? 600 : file.Length), noise);
                }

                if (random.Chance(0.3)) file.SetLength(random.Between(0, file.Length + 5000));
            });
            await stage.WriteAsync(0, 4096, clean: false);
            Assert.That(stage.Dirty[0].Contains(new Extent(0, 4096)), $"block {block}, {i}");
            stage.Log.ClearSettled();
            Assert.That(stage.Log.DirtyBytes, Is.Zero, $"block {block}, {i}");
        }
    }

    private static TestCaseData Case(string name, CrashKind kind, Action<SimulatedDirectory> damage, string wrong) => new TestCaseData(kind, damage, wrong).SetArgDisplayNames(name);

    private static void SetLength(SimulatedDirectory directory, string name, long length)
    {
        using var file = directory.Open(name, HostFileAccess.ReadWrite);
        file.SetLength(length);
    }
}
