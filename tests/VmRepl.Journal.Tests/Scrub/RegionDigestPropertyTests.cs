extern alias simulation;
using simulation::VmRepl.Simulation.Storage;
using VmRepl.Journal.Scrub;
using VmRepl.Protocol.Records;

namespace VmRepl.Journal.Tests.Scrub;

/// <summary>Writes, checkpoints, retirements, scrubs, stops and crashes in any order: nothing is damaged, so nothing may be reported; and what is then damaged is.</summary>
public class RegionDigestPropertyTests
{
    private const int Seeds = 120;

    [Test]
    public async Task Scrub_WritesCrashesAndScrubsInAnyOrder_NeverReportsAWriteAsDamage()
    {
        var total = new Totals();
        for (ulong seed = 1; seed <= Seeds; seed++)
        {
            try
            {
                await RunAsync(seed, total);
            }
            catch (Exception e) when (e is not SuccessException)
            {
                throw new AssertionException($"seed {seed}: {e.Message}", e);
            }
        }

        TestContext.Out.WriteLine(total);
        Assert.Multiple(() =>
        {
            Assert.That(total.Crashes, Is.GreaterThan(Seeds / 2));
            Assert.That(total.Verified, Is.GreaterThan(Seeds * 10));
            Assert.That(total.VerifiedReadOnly, Is.GreaterThan(Seeds));
            Assert.That(total.Renewed, Is.GreaterThan(Seeds * 5), "digests taken anew after a write");
            Assert.That(total.WrittenMeanwhile, Is.GreaterThan(Seeds));
            Assert.That(total.Retired, Is.GreaterThan(Seeds / 4));
            Assert.That(total.Found, Is.GreaterThan(Seeds / 2));
        });
    }

    private static async Task RunAsync(ulong seed, Totals total)
    {
        var random = new SeededRandom(seed);
        using var stage = new ScrubbedStore(seed, capacityBytes: 6 << 20, keepsHistory: false);
        var isOpen = true;
        for (var step = 0; step < 60; step++)
        {
            try
            {
                if (!isOpen)
                {
                    if (random.Chance(0.5))
                    {
                        var read = await stage.ScrubReadOnlyAsync();
                        RequireClean(read, $"step {step}, read-only");
                        Assert.That(read.RegionsNew, Is.Zero);
                        total.VerifiedReadOnly += read.RegionsVerified;
                    }

                    if (random.Chance(0.3)) PlanCrash(stage, random, 12);
                    stage.Open();
                    isOpen = true;
                    continue;
                }

                await StepAsync(stage, random, total, step);
            }
            catch (SimulatedCrashException)
            {
                total.Crashes++;
                stage.Volume.BeforeRead = null;
                stage.Crash(stage.Volume.CrashKind);
                isOpen = false;
            }
        }

        stage.Volume.CrashAt = long.MaxValue;
        if (!isOpen) stage.Open();
        RequireClean(await stage.ScrubAsync(), "at the end");
        await DamageAsync(stage, random, total);
    }

    private static async Task StepAsync(ScrubbedStore stage, SeededRandom random, Totals total, int step)
    {
        switch (random.Between(0, 9))
        {
            case < 4:
                Append(stage, random, total);
                break;
            case 4:
                stage.Journal.Checkpoint();
                break;
            case < 8:
                if (random.Chance(0.6)) WriteWhileScrubbing(stage, random, total);
                var report = await stage.ScrubAsync();
                stage.Volume.BeforeRead = null;
                RequireClean(report, $"step {step}");
                total.Verified += report.RegionsVerified;
                total.Renewed += report.RegionsNew;
                break;
            case 8:
                stage.Reopen();
                break;
            default:
                PlanCrash(stage, random, 25);
                break;
        }
    }

    private static void PlanCrash(ScrubbedStore stage, SeededRandom random, long within)
    {
        stage.Volume.CrashKind = random.Chance(0.7) ? CrashKind.PowerLoss : CrashKind.ProcessKill;
        stage.Volume.CrashAt = stage.Volume.IoCount + random.Between(1, within);
    }

    private static void Append(ScrubbedStore stage, SeededRandom random, Totals total)
    {
        var before = stage.Journal.Counters.SegmentsRetired;
        var batch = new List<Record>();
        for (var i = (int)random.Between(1, 3); i > 0; i--)
        {
            var length = (int)random.Between(1, 256) * 512;
            var kind = random.Chance(0.7) ? RecordKind.Write : random.Chance(0.5) ? RecordKind.Punch : RecordKind.Zero;
            batch.Add(stage.Contents(kind, random.Between(0, (ScrubbedStore.DiskBytes - length) / 512) * 512, length, (byte)random.Between(1, 255), batch.Count));
        }

        batch.Add(stage.Fact(RecordKind.Bookmark, batch.Count, $"b{batch[^1].Header.Sequence}"));
        stage.Append([.. batch]);
        total.Retired += stage.Journal.Counters.SegmentsRetired - before;
    }

    /// <summary>Another thread gets its turn while a scrub reads the live image.</summary>
    private static void WriteWhileScrubbing(ScrubbedStore stage, SeededRandom random, Totals total)
    {
        stage.Volume.BeforeRead = Write;

        void Write(string path)
        {
            if (!path.EndsWith(".vhdx", StringComparison.Ordinal) || !random.Chance(0.3)) return;
            stage.Volume.BeforeRead = null;
            Append(stage, random, total);
            total.WrittenMeanwhile++;
            stage.Volume.BeforeRead = Write;
        }
    }

    private static async Task DamageAsync(ScrubbedStore stage, SeededRandom random, Totals total)
    {
        var offset = random.Between(0, ScrubbedStore.DiskBytes - 1);
        stage.FlipLive(offset, (int)random.Between(0, 7));
        var report = await stage.ScrubAsync();
        Assert.That(report.DamageCount, Is.GreaterThan(0), $"a bit at {offset} of the live image was flipped");
        Assert.That(report.Damage.Any(d => d.Disk == "sda" && d.FirstSector * 512 <= offset && (d.FirstSector + d.SectorCount) * 512 > offset), Is.True, $"{offset}: {report.Damage[0]}");
        total.Found++;
    }

    private static void RequireClean(ScrubReport report, string when) => Assert.That(report.Damage, Is.Empty, when);

    private sealed record Totals
    {
        public long Crashes { get; set; }

        public long Verified { get; set; }

        public long VerifiedReadOnly { get; set; }

        public long Renewed { get; set; }

        public long WrittenMeanwhile { get; set; }

        public long Retired { get; set; }

        public long Found { get; set; }
    }
}
