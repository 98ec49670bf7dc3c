using VmRepl.Replication.Source.Tracking;
using VmRepl.Simulation.Storage;

namespace VmRepl.Replication.Tests.Tracking;

[Parallelizable(ParallelScope.All)]
public class ChunkCountersTests
{
    [Test]
    public void Counters_AnyHistory_AreThoseOfADictionary([Range(1, 20)] int seed)
    {
        var random = new SeededRandom((ulong)seed);
        var counters = new ChunkCounters();
        var expected = new Dictionary<long, int>();
        var range = random.Pick([50L, 5_000, 1L << 34]);
        for (var i = 0; i < 20_000; i++)
        {
            var isEnd = expected.Count > 0 && random.Chance(0.49);
            var chunk = isEnd ? expected.Keys.ElementAt((int)random.Between(0, Math.Min(expected.Count, 20) - 1)) : random.Between(0, range);
            var count = expected.GetValueOrDefault(chunk) + (isEnd ? -1 : 1);
            Assert.That(isEnd ? counters.Decrement(chunk) : counters.Increment(chunk), Is.EqualTo(count));
            if (count == 0) expected.Remove(chunk);
            else expected[chunk] = count;
            Assert.That(counters[chunk], Is.EqualTo(count));
        }

        Assert.That(counters.Chunks.Order(), Is.EqualTo(expected.Keys.Order()));
        foreach (var (chunk, count) in expected) Assert.That(counters[chunk], Is.EqualTo(count));
        Assert.That(() => counters.Decrement(range + 1), Throws.InvalidOperationException);
    }
}
