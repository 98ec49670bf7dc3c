extern alias simulation;
using simulation::VmRepl.Simulation;
using simulation::VmRepl.Simulation.Workload;

namespace VmRepl.Journal.Tests.Simulation;

public class SimulationTests
{
    private const ulong FirstSeed = 20_000;
    private const int Seeds = 40;

    [Test]
    public void Journal_SeededWorldsWithCrashes_HoldsItsInvariants()
    {
        TestContext.Out.WriteLine($"seeds {FirstSeed} to {FirstSeed + Seeds - 1}");
        var counters = new SimulationCounters();
        Parallel.For(0, Seeds, new ParallelOptions { MaxDegreeOfParallelism = 2 }, i =>
        {
            var seed = FirstSeed + (ulong)i;
            var world = new JournalSimulation(seed);
            try
            {
                world.Run();
            }
            catch (Exception e)
            {
                throw new AssertionException($"seed {seed}: {e.Message}", e);
            }

            lock (counters) counters.Add(world.Counters);
        });
        TestContext.Out.WriteLine(counters);
        Assert.That(counters[SimulationCounters.PowerLosses], Is.GreaterThan(0));
        Assert.That(counters[SimulationCounters.CrashesInRecovery], Is.GreaterThan(0));
        Assert.That(counters[SimulationCounters.Retirements], Is.GreaterThan(0));
    }

    /// <summary>A loss of power, then an opening that cannot read the digests and redoes what they are of, then a failed flush and an opening that can read them.</summary>
    [Test]
    public void Journal_Seed20286DigestsUnreadableInARecovery_AreNotBelievedByTheNext() => Assert.That(() => new JournalSimulation(20286).Run(), Throws.Nothing);

    /// <summary>Entries of the digests that cannot be read at first, one of which is none.</summary>
    [Test]
    public void Journal_Seed23310EntriesUnreadableAtFirst_AreNoDamageWhereThereAreNone() => Assert.That(() => new JournalSimulation(23310).Run(), Throws.Nothing);

    /// <summary>Everything but the last record of a run is retired, and that is named as the point that it is.</summary>
    [Test]
    public void Journal_Seed1878225950556StartOfTheRangeInARun_CanBeNamed() => Assert.That(() => new JournalSimulation(1878225950556).Run(), Throws.Nothing);

    /// <summary>While a view was read, an append closed it and moved the start of the range past its point; the view asked the index about that point once more, and was told that undo was missing.</summary>
    [Test]
    public void Journal_Seed20461ViewClosedInsideItsRead_SaysSo() => Assert.That(() => new JournalSimulation(20461).Run(), Throws.Nothing);

    /// <summary>Two of the plants are bugs that the simulation found: a segment given up on the word of a checkpoint that was not durable yet, and a flush that failed trusted after the next one.</summary>
    [TestCaseSource(typeof(Plant), nameof(Plant.All))]
    public void Journal_WithABugPlanted_IsFoundOut(string plant)
    {
        Plant.Planted = plant;
        try
        {
            Assert.That(Enumerable.Range(1, 500).AsParallel().WithDegreeOfParallelism(2).Any(seed => Fails((ulong)seed)), Is.True, plant);
        }
        finally
        {
            Plant.Planted = null;
        }

        static bool Fails(ulong seed)
        {
            try
            {
                new JournalSimulation(seed).Run();
                return false;
            }
            catch (Exception)
            {
                // Whatever it is: a damaged journal, wrong contents, a broken invariant. Without the plant there is none.
                return true;
            }
        }
    }

    [Test]
    public void PublishedJournal_ItsTypes_HoldNoPlantedBugs()
    {
        Assert.That(NamesIn(typeof(GroupJournal)), Has.None.Contains("Plant"));
        Assert.That(NamesIn(typeof(JournalSimulation)), Has.Some.Contains("Plant"), "the simulation's own copy has them");

        static string[] NamesIn(Type type) => [.. type.Assembly.GetTypes().SelectMany(t => t.GetMembers(System.Reflection.BindingFlags.Public | System.Reflection.BindingFlags.NonPublic
            | System.Reflection.BindingFlags.Static | System.Reflection.BindingFlags.Instance).Select(m => m.Name).Append(t.FullName!))];
    }
}
