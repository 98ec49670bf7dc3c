using VmRepl.Blocks;
using VmRepl.Images.Qcow2;

namespace VmRepl.Images.Tests.Qcow2;

/// <summary>
/// A crash at any write: what the last flush promised is there, and the structure has at most lost space. Verified: contents of every sector (as of the last flush, or of a write since)
/// and the image's own check, which other tests hold against qemu-img's. Not verified: a disk that lies about flushes.
/// </summary>
public sealed class Qcow2CrashTests
{
    private const int Length = 1 << 20;

    [Test]
    public void Crash_AtAnyMoment_LosesNothingFlushedAndDamagesNothing([Values(512, 1024, 4096, 65536)] int clusterSize, [Range(1, 4)] int seed)
    {
        var file = new MemoryFile("/memory/a.qcow2", []);
        Qcow2Creator.Write(file, Length, System.Numerics.BitOperations.Log2((uint)clusterSize));
        file.Flush();
        WorkAndCrash(file, Length, new Random(seed * clusterSize), operations: 40, runSectorsMax: 200, flushCrashChance: 0.5);
    }

    [Test]
    public void Crash_WhileTheRefcountTableMoves_DamagesNothing([Values(1)] int seed)
    {
        ExternalTool.Require("qemu-img");
        using var scratch = new ScratchDirectory();
        // 64 clusters of 512 bytes a block and 64 blocks a cluster of the table: past 2 MiB of file the table outgrows its place.
        QemuImg.Create(scratch["a.qcow2"], 4 << 20, "cluster_size=512,refcount_bits=64");
        var file = new MemoryFile("/memory/a.qcow2", File.ReadAllBytes(scratch["a.qcow2"]));
        WorkAndCrash(file, 4 << 20, new Random(seed), operations: 24, runSectorsMax: 2000, flushCrashChance: 0.05);
        using var image = MemoryFiles.Open(file);
        Assert.That(((Qcow2Image)image).RefcountTableClusters, Is.GreaterThan(1), "the table did not move, so this proves nothing");
    }

    private static void WorkAndCrash(MemoryFile file, int diskLength, Random random, int operations, int runSectorsMax, double flushCrashChance)
    {
        var image = MemoryFiles.Open(file, isWritable: true);
        var flushed = new byte[diskLength];
        var now = new byte[diskLength];
        // What each sector has held since the last flush.
        var since = new Dictionary<int, List<byte[]>>();
        // What crashes inside the operation under way would leave; a flush has the most to go wrong, and is hit at each of its steps.
        var crashes = new List<byte[]>();
        var chance = 0.1;
        file.BeforeChange = () =>
        {
            if (random.NextDouble() < chance) crashes.Add(file.AfterCrash(random));
        };
        for (var i = 0; i < operations; i++)
        {
            crashes.Clear();
            var offset = random.Next(diskLength / 512) * 512;
            var length = Math.Min(diskLength - offset, 512 * (1 + random.Next(random.Next(2) == 0 ? 4 : runSectorsMax)));
            switch (random.Next(6))
            {
                case 0:
                    chance = flushCrashChance;
                    image.Flush();
                    foreach (var left in crashes) MustSurvive(left, flushed, since, $"inside flush {i}");
                    chance = 0.1;
                    (flushed, since) = ([.. now], []);
                    continue;
                case 1:
                    image.Punch(offset, length);
                    now.AsSpan(offset, length).Clear();
                    break;
                default:
                    random.NextBytes(now.AsSpan(offset, length));
                    image.Write(offset, now.AsSpan(offset, length));
                    break;
            }

            for (var sector = offset / 512; sector < (offset + length) / 512; sector++)
            {
                if (!since.TryGetValue(sector, out var versions)) since[sector] = versions = [];
                versions.Add(now.AsSpan(sector * 512, 512).ToArray());
            }

            foreach (var left in crashes.Append(file.AfterCrash(random))) MustSurvive(left, flushed, since, $"operation {i}");
        }

        crashes.Clear();
        chance = flushCrashChance;
        image.Dispose();
        foreach (var left in crashes) MustSurvive(left, flushed, since, "inside close");
        MustSurvive(file.AfterCrash(random), flushed, since, "close");
    }

    [Test]
    public void Failure_OfAnyWrite_LeavesTheImageFailedAndTheFileAsOfTheLastFlush([Range(0, 40)] int writes)
    {
        var file = new MemoryFile("/memory/a.qcow2", []);
        Qcow2Creator.Write(file, Length, 12);
        file.Flush();
        var image = MemoryFiles.Open(file, isWritable: true);
        var first = Contents.Random(200_000, 1);
        image.Write(1000, first);
        image.Flush();
        file.WritesUntilFailure = writes;
        var random = new Random(writes);
        Assert.That(() =>
        {
            while (true)
            {
                image.Write(300_000 + random.Next(600_000), Contents.Random(random.Next(1, 20_000), 2));
                if (random.Next(4) == 0) image.Flush();
            }
        }, Throws.TypeOf<IOException>());
        file.WritesUntilFailure = int.MaxValue;
        Assert.That(() => image.Write(0, new byte[1]), Throws.TypeOf<IOException>(), "a writer that failed stays failed");
        Assert.That(image.Flush, Throws.TypeOf<IOException>());
        image.Dispose();
        using var again = MemoryFiles.Open(file);
        Assert.That(again.Check().Where(f => f.IsDamage), Is.Empty);
        var read = new byte[first.Length];
        again.Read(1000, read);
        read.MustBe(first);
    }

    private static void MustSurvive(byte[] left, byte[] flushed, Dictionary<int, List<byte[]>> since, string when)
    {
        using var image = MemoryFiles.Open(new MemoryFile("/memory/crashed.qcow2", left));
        Assert.That(image.Check().Where(f => f.IsDamage), Is.Empty, when);
        var found = image.ReadAll();
        for (var sector = 0; sector < flushed.Length / Sectors.Size; sector++)
        {
            var is512 = found.AsSpan(sector * 512, 512);
            if (is512.SequenceEqual(flushed.AsSpan(sector * 512, 512))) continue;
            var isKnown = since.TryGetValue(sector, out var versions) && Known(is512, versions);
            Assert.That(isKnown, $"{when}: sector {sector} holds what was never written there");
        }
    }

    private static bool Known(ReadOnlySpan<byte> sector, List<byte[]> versions)
    {
        foreach (var version in versions)
        {
            if (sector.SequenceEqual(version)) return true;
        }

        return false;
    }
}
