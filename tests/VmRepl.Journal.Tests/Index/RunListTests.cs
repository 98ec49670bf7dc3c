using VmRepl.Journal.Index;

namespace VmRepl.Journal.Tests.Index;

public class RunListTests
{
    private const int Length = 12_000;

    [Test]
    public void RunList_RandomChanges_HoldsWhatAnArrayOfCellsDoes()
    {
        var random = new Random(7);
        var runs = new RunList();
        var cells = Enumerable.Repeat((-1, -1), Length).ToArray();
        var found = new List<SectorRun>();
        for (var step = 0; step < 6000; step++)
        {
            var start = random.Next(0, Length - 1);
            var end = Math.Min(Length, start + random.Next(1, random.Next(10) == 0 ? 200 : 5));
            var isUndo = random.Next(3) == 0;
            runs.ForExactly(start, end, (ref SectorRun run) => run = isUndo ? run with { Undo = step } : run with { Version = step });
            for (var i = start; i < end; i++) cells[i] = isUndo ? (cells[i].Item1, step) : (step, cells[i].Item2);
            if (step % 50 != 0) continue;
            var from = random.Next(0, Length);
            var to = random.Next(from, Length) + 1;
            found.Clear();
            runs.Overlapping(from, to, found, r => r);
            Assert.That(found.Zip(found.Skip(1)).All(p => p.First.End <= p.Second.Start), Is.True, "in order, disjoint");
            var seen = Enumerable.Repeat((-1, -1), Length).ToArray();
            foreach (var run in found) Array.Fill(seen, (run.Version, run.Undo), (int)run.Start, (int)(run.End - run.Start));
            Assert.That(seen.AsSpan(from, to - from).SequenceEqual(cells.AsSpan(from, to - from)), Is.True, $"step {step}, [{from}, {to})");
            found.Clear();
            runs.Overlapping(from, to, found, r => r, 3);
            Assert.That(found, Has.Count.LessThanOrEqualTo(3));
        }

        Assert.That(runs.Count, Is.GreaterThan(1000));
    }

    [Test]
    public void VersionTable_DeepHistory_FindsEveryVersionInFewSteps()
    {
        var versions = new VersionTable();
        var newest = -1;
        for (var i = 0; i < 5000; i++) newest = versions.Add(newest, i, (ulong)(i * 2) + 10);
        Assert.That(versions.Depth(newest), Is.EqualTo(5000));
        for (var i = 0; i < 5000; i += 7)
        {
            Assert.That(versions.Record(versions.At(newest, i)), Is.EqualTo(i));
            Assert.That(versions.Record(versions.NewestAt(newest, (ulong)(i * 2) + 11)), Is.EqualTo(i));
        }

        Assert.That(versions.NewestAt(newest, 9), Is.EqualTo(-1));
    }
}
