extern alias simulation;

using MarkOrderTrial = simulation::VmRepl.Simulation.Tracking.MarkOrderTrial;
using Plant = simulation::VmRepl.Simulation.Plant;

namespace VmRepl.Replication.Tests.Tracking;

/// <summary>The table of mechanism 3: marked before the write and counted, nothing is missed; any of the two left out is found.</summary>
public class MarkOrderTests
{
    private const int Trials = 20_000;

    [TestCase(true, false)]
    [TestCase(true, true)]
    [TestCase(false, false)]
    [TestCase(false, true)]
    public async Task Marks_KilledAtAnyStep_AreMissingOnlyWhereARuleIsLeftOut(bool marksFirst, bool clearsAtFirst)
    {
        Plant.Planted = clearsAtFirst ? Plant.DirtyBitClearedByFirstAck : null;
        try
        {
            var missed = await MarkOrderTrial.CountMissedAsync(Trials, marksFirst);
            TestContext.Out.WriteLine($"marked {(marksFirst ? "before" : "after")} the write, cleared by {(clearsAtFirst ? "the first end" : "counter")}: {missed} of {Trials} missed");
            Assert.That(missed, marksFirst && !clearsAtFirst ? Is.Zero : Is.GreaterThan(Trials / 100));
        }
        finally
        {
            Plant.Planted = null;
        }
    }
}
