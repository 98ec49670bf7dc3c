using VmRepl.Blocks.Files;
using VmRepl.Replication.Source;
using VmRepl.Replication.Tests.Stage;
using VmRepl.Simulation.Storage;

namespace VmRepl.Replication.Tests.Source;

[Parallelizable(ParallelScope.All)]
public class SequenceReserveTests
{
    /// <summary>Lives end by a loss of power or a kill at any change of the volume, the reservation's own writing included.</summary>
    [Test]
    public void Next_CrashesAnywhere_NoNumberTwice([Range(1, 60)] int seed)
    {
        var volume = new SimulatedVolume((ulong)seed, 1 << 20);
        volume.Directory("agent").Create();
        volume.FlushRoot();
        var random = new SeededRandom((ulong)seed);
        ulong newest = 0;
        for (var life = 0; life < 40; life++)
        {
            volume.CrashKind = random.Chance(0.5) ? CrashKind.PowerLoss : CrashKind.ProcessKill;
            volume.CrashAt = volume.IoCount + random.Between(1, 12);
            try
            {
                var numbers = new SequenceReserve(volume.Directory("agent"));
                for (var i = 0; i < 12; i++)
                {
                    // Most often far apart, as a replica that is ahead pushes them, so that each takes a reservation of its own.
                    if (random.Chance(0.7)) numbers.AdvanceTo(numbers.Last + (ulong)random.Between(1, 3 << 20));
                    var next = numbers.Next();
                    Assert.That(next, Is.GreaterThan(newest), $"life {life}");
                    newest = next;
                }

                volume.Crash(volume.CrashKind);
            }
            catch (SimulatedCrashException)
            {
                // The machine went down; the next life begins.
            }

            volume.Restart();
        }

        Assert.That(newest, Is.Positive);
    }

    [Test]
    public void Next_ReservationCannotBeWritten_GivesNoNumber()
    {
        var volume = new SimulatedVolume(1, 1 << 20);
        var directory = volume.Directory("agent");
        directory.Create();
        var numbers = new SequenceReserve(directory);
        volume.CapacityBytes = 0;
        Assert.That(numbers.Next, Throws.InstanceOf<IOException>());
        Assert.That(numbers.Next, Throws.InstanceOf<IOException>(), "and none later: nothing is reserved");
        Assert.That(() => numbers.AdvanceTo(5), Throws.InstanceOf<IOException>());
        Assert.That(numbers.Last, Is.Zero);
        volume.CapacityBytes = 1 << 20;
        Assert.That(numbers.Next(), Is.EqualTo(1));
    }

    [Test]
    public void Next_NearTheEndOfNumbers_DoesNotWrap()
    {
        using var directory = new TestDirectory();
        directory.Host("agent").Create();
        var numbers = new SequenceReserve(directory.Host("agent"));
        numbers.AdvanceTo(ulong.MaxValue - 5);
        Assert.That(numbers.Next, Throws.InstanceOf<OverflowException>());
    }
}
