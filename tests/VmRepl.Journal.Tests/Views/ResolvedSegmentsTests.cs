extern alias simulation;
using simulation::VmRepl.Simulation.Storage;
using VmRepl.Blocks.Files;
using VmRepl.Journal.Segments;
using VmRepl.Journal.Views;

namespace VmRepl.Journal.Tests.Views;

public class ResolvedSegmentsTests
{
    [Test]
    public void TryNumber_SegmentsOneAfterTheOther_EachIsFoundByTheNumberThatItKeeps()
    {
        IHostDirectory directory = new SimulatedVolume(1, 1L << 30).Directory("journal");
        directory.Create();
        var segments = Enumerable.Range(1, 40).Select(i => SegmentFile.Create(directory, null, new SegmentHeader((ulong)i, 1, 1 << 20, 0, 0), new SegmentHandles())).ToList();
        var numbers = new ResolvedSegments();

        var given = segments.ConvertAll(Number);

        Assert.That(given, Is.Unique);
        Assert.That(given.Select(n => numbers[n]), Is.EqualTo(segments));
        Assert.That(segments.ConvertAll(Number), Is.EqualTo(given));
        segments.ForEach(s => s.Dispose());

        ushort Number(SegmentFile segment) => numbers.TryNumber(segment, out var number) ? number : throw new AssertionException("no number");
    }
}
