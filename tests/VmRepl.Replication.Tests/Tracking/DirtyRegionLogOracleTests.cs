using VmRepl.Replication.Source.Tracking;

namespace VmRepl.Replication.Tests.Tracking;

[Parallelizable(ParallelScope.All)]
public class DirtyRegionLogOracleTests
{
    [Test]
    public async Task Marks_AnyHistory_HoldEveryDifference([Range(0, 19)] int block)
    {
        var stops = new Dictionary<LogStop, int>();
        var collapses = 0;
        for (var i = 0; i < 10; i++)
        {
            var seed = (ulong)((block * 10) + i + 1);
            var world = new TrackedDisk(seed);
            try
            {
                for (var step = 0; step < 400; step++) await world.StepAsync();
                await world.SettleAsync();
            }
            catch (Exception e) when (e is not SuccessException)
            {
                throw new InvalidOperationException($"seed {seed}: {e.Message}", e);
            }

            foreach (var (stop, count) in world.Stops) stops[stop] = stops.GetValueOrDefault(stop) + count;
            collapses += world.Collapses;
        }

        Assert.That(stops.Keys, Is.EquivalentTo(new[] { LogStop.Clean, LogStop.ProcessDeath, LogStop.HostCrash }), "all ends were met, and none was taken for damage");
        Assert.That(collapses, Is.Positive);
    }
}
