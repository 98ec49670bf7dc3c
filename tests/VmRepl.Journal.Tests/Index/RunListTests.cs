using VmRepl.Journal.Index;

namespace VmRepl.Journal.Tests.Index;

public class RunListTests
{
    [Test]
    public void RunList_RandomInsertionsAndRemovals_FindsWhatASortedListFinds()
    {
        var random = new Random(7);
        var runs = new RunList();
        var model = new SortedDictionary<long, SectorRun>();
        for (var step = 0; step < 20_000; step++)
        {
            long start = random.Next(0, 4000) * 4;
            if (model.Remove(start, out var present)) runs.Remove(present);
            else
            {
                var run = new SectorRun(start, start + random.Next(1, 5));
                model.Add(start, run);
                runs.Insert(run);
            }

            if (step % 50 != 0) continue;
            var (from, to) = (random.Next(0, 16_000), random.Next(0, 16_000));
            var expected = model.Values.Where(r => r.End > from && r.Start < to).ToList();
            Assert.That(runs.Overlapping(from, to).ToList(), Is.EqualTo(expected), $"step {step}, [{from}, {to})");
        }

        Assert.That(runs.Count, Is.EqualTo(model.Count));
        Assert.That(runs.All(), Is.EqualTo(model.Values));
    }
}
