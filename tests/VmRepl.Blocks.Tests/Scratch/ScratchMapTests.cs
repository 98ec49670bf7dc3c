using VmRepl.Blocks.Scratch;

namespace VmRepl.Blocks.Tests.Scratch;

internal sealed class ScratchMapTests
{
    private const int Units = (5 * ScratchMap.UnitsInPage) + 77;

    [Test]
    public void Set_Random_IsAsAnArrayAndRunsAreWhole([Values(1, 2, 3, 4)] int seed)
    {
        var random = new Random(seed);
        var map = new ScratchMap(Units);
        var want = new ScratchState[Units];
        for (var step = 0; step < 500; step++)
        {
            var first = random.Next(Units);
            var count = 1 + random.Next(Math.Min(Units - first, random.Next(2) == 0 ? 100 : Units));
            var state = (ScratchState)random.Next(4);
            map.Set(first, count, state);
            want.AsSpan(first, count).Fill(state);
            var from = random.Next(Units);
            var length = 1 + random.Next(Units - from);
            var at = (long)from;
            ScratchState? before = null;
            foreach (var run in map.Runs(from, length))
            {
                Assert.That(run.First, Is.EqualTo(at), $"seed {seed}, step {step}");
                Assert.That(run.State, Is.Not.EqualTo(before), $"seed {seed}, step {step}: two runs that are one");
                Assert.That(want.AsSpan((int)run.First, (int)run.Count).IndexOfAnyExcept(run.State), Is.Negative, $"seed {seed}, step {step}: {run}");
                (at, before) = (run.End, run.State);
            }

            Assert.That(at, Is.EqualTo(from + length), $"seed {seed}, step {step}");
        }
    }

    [Test]
    public void Set_WholePages_CostNoMemory()
    {
        var map = new ScratchMap(Units);
        map.Set(0, Units, ScratchState.Hole);
        Assert.That(map.PageCount, Is.EqualTo(1), "the last page, of which the disk has a part");
        map.Set(3, 1, ScratchState.Data);
        Assert.That(map.PageCount, Is.EqualTo(2));
        map.Set(0, ScratchMap.UnitsInPage, ScratchState.Zero);
        Assert.That(map.PageCount, Is.EqualTo(1));
        Assert.That(map.Runs(0, Units, runsMax: 1), Is.EqualTo(new[] { new ScratchRun(0, ScratchMap.UnitsInPage, ScratchState.Zero) }));
    }
}
