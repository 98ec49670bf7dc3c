extern alias simulation;
using simulation::VmRepl.Simulation.Storage;
using VmRepl.Journal.Scrub;

namespace VmRepl.Journal.Tests.Scrub;

/// <summary>What an opening makes of digests that the one before it could not read, or did not make durable.</summary>
public class RegionDigestRecoveryTests
{
    private const int Regions = ScrubbedStore.DiskBytes / RegionDigest.RegionBytes;

    /// <summary>What simulation seed 20286 found: the opening that could not read the file wrote a region, and the next one could read it and believed it.</summary>
    [Test]
    public async Task Scrub_RegionWrittenWhileDigestsWereUnreadable_NamesNoDamageAfterTheNextOpening()
    {
        using var stage = new ScrubbedStore();
        await stage.ScrubAsync();
        stage.Close();
        FailReadOfDigests(stage);
        stage.Open();
        Assert.That(stage.Opened.Images[1].Digests.Fault, Does.Contain("(simulated)"), "the file could not be read");
        stage.Write("w", 1 << 20, 4096, 99);
        stage.Reopen();

        var report = await stage.ScrubAsync();

        Assert.That(report.Damage, Is.Empty);
        Assert.That(report.RegionsNew, Is.EqualTo(Regions));
    }

    [Test]
    public async Task Scrub_DigestsUnreadableAtOpening_AreNamedOnceAndTakenAnew()
    {
        using var stage = new ScrubbedStore();
        await stage.ScrubAsync();
        stage.Close();
        FailReadOfDigests(stage);
        stage.Open();

        var report = await stage.ScrubAsync();

        Assert.That(report.Damage.Select(d => d.Where), Has.One.Contains(RegionDigestFile.NameOf("sda")));
        Assert.That(report.RegionsNew, Is.EqualTo(Regions));
        Assert.That((await stage.ScrubAsync()).RegionsVerified, Is.EqualTo(Regions));
    }

    /// <summary>A reader changes nothing: what it cannot read is there for the next one.</summary>
    [Test]
    public async Task ScrubReadOnly_DigestsUnreadableAtOpening_LeavesThem()
    {
        using var stage = new ScrubbedStore();
        await stage.ScrubAsync();
        stage.Close();
        FailReadOfDigests(stage);

        var report = await stage.ScrubReadOnlyAsync();

        Assert.That(report.Damage.Select(d => d.Where), Has.One.Contains("(simulated)"));
        Assert.That((await stage.ScrubReadOnlyAsync()).RegionsVerified, Is.EqualTo(Regions));
    }

    /// <summary>The process is killed between the clearing of a digest and the flush of it: the next opening sees it cleared, and power is lost after that one's checkpoint.</summary>
    [Test]
    public async Task Scrub_KilledBetweenClearingAndFlush_NamesNoDamageAfterALossOfPower()
    {
        var kills = 0;
        for (ulong seed = 1; seed <= 12; seed++)
        {
            for (var change = 1; change <= 6; change++)
            {
                using var stage = new ScrubbedStore(seed);
                await stage.ScrubAsync();
                stage.Journal.Checkpoint();
                stage.Reopen();
                stage.Write("w", 1 << 20, 4096, 99);
                stage.Volume.CrashKind = CrashKind.ProcessKill;
                stage.Volume.CrashAt = stage.Volume.IoCount + change;
                try
                {
                    stage.Journal.Checkpoint();
                    stage.Volume.CrashAt = long.MaxValue;
                }
                catch (SimulatedCrashException)
                {
                    kills++;
                }

                stage.Crash(CrashKind.ProcessKill);
                stage.Open();
                stage.Journal.Checkpoint();
                stage.Crash(CrashKind.PowerLoss);
                stage.Open();

                var report = await stage.ScrubAsync();

                Assert.That(report.Damage, Is.Empty, $"seed {seed}, killed at change {change} of a checkpoint");
            }
        }

        Assert.That(kills, Is.GreaterThan(12 * 3));
    }

    /// <summary>What simulation seed 23310 found: the entries cannot be read at first, and then one of them is none.</summary>
    [Test]
    public async Task Scrub_EntriesUnreadableAtFirst_TakesThoseThatAreNoneAnew()
    {
        using var stage = new ScrubbedStore();
        await stage.ScrubAsync();
        stage.Write("w", 1 << 20, 4096, 99);
        stage.Journal.Checkpoint();
        stage.Reopen();
        FailReadOfDigests(stage);

        var report = await stage.ScrubAsync();

        Assert.That(stage.Volume.BeforeRead, Is.Null, "the entries were read, which failed");
        Assert.That(report.Damage, Is.Empty);
        Assert.That((report.RegionsNew, report.RegionsVerified), Is.EqualTo((1, Regions - 1)));
    }

    private static void FailReadOfDigests(ScrubbedStore stage) => stage.Volume.BeforeRead = path =>
    {
        if (!path.EndsWith(RegionDigestFile.NameOf("sda"), StringComparison.Ordinal)) return;
        stage.Volume.BeforeRead = null;
        stage.Volume.FailReadIn = 1;
    };
}
