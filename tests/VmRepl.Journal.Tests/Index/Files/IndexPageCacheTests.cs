using VmRepl.Journal.Index.Files;

namespace VmRepl.Journal.Tests.Index.Files;

public class IndexPageCacheTests
{
    [Test]
    public void Cache_RandomUse_GivesThePagesThatWerePutInAndStaysUnderItsCap()
    {
        var random = new Random(1);
        var cache = new IndexPageCache(20 * IndexPageCache.PageCost);
        var tables = new[] { new IndexPageTable(30), new IndexPageTable(30) };
        var put = new Dictionary<(int, uint), byte[]>();
        long reserved = 0;
        var (hits, misses) = (0, 0);
        for (var step = 0; step < 50_000; step++)
        {
            var (t, page) = (random.Next(2), (uint)random.Next(30));
            switch (random.Next(20))
            {
                case 0:
                    var more = random.NextInt64(0, 8 * IndexPageCache.PageCost);
                    cache.Reserve(more);
                    reserved += more;
                    break;
                case 1:
                    var less = random.NextInt64(0, reserved + 1);
                    cache.Release(less);
                    reserved -= less;
                    break;
                case 2 when step % 50 == 0:
                    cache.Remove(tables[t], this);
                    for (uint i = 0; i < 30; i++) Assert.That(tables[t].Find(i), Is.Null);
                    break;
                default:
                    if (tables[t].Find(page) is { } found)
                    {
                        hits++;
                        Assert.That(found, Is.SameAs(put[(t, page)]), $"step {step}");
                        break;
                    }

                    misses++;
                    put[(t, page)] = new byte[4096];
                    cache.Add(tables[t], page, put[(t, page)]);
                    Assert.That(tables[t].Has(page), Is.EqualTo(reserved + IndexPageCache.PageCost <= cache.CapBytes), $"step {step}");
                    break;
            }

            var pages = tables.Sum(table => Enumerable.Range(0, 30).Count(i => table.Has((uint)i)));
            Assert.That(cache.UsedBytes, Is.EqualTo(reserved + (pages * (long)IndexPageCache.PageCost)), $"step {step}");
            Assert.That(cache.UsedBytes, Is.LessThanOrEqualTo(Math.Max(cache.CapBytes, reserved)), $"step {step}");
        }

        Assert.That(hits, Is.GreaterThan(5000));
        Assert.That(misses, Is.GreaterThan(5000));
    }

    [Test]
    public void Cache_PagesInUse_OutliveOnesThatAreReadOnce()
    {
        var cache = new IndexPageCache(20 * IndexPageCache.PageCost);
        var table = new IndexPageTable(5000);
        for (uint page = 0; page < 5000; page++)
        {
            cache.Add(table, page, new byte[4096]);
            for (uint hot = 0; hot < 8; hot++) Assert.That(table.Find(hot), hot <= page ? Is.Not.Null : Is.Null, $"page {hot} after {page}");
        }
    }

    [Test]
    public void Cache_FiltersBeyondThreeQuarters_AreRefusedAndTheLargestDroppedFirst()
    {
        var cache = new IndexPageCache(4000);
        var dropped = new List<string>();
        Assert.That(cache.TryKeepFilter("a", 1000, () => dropped.Add("a")), Is.True);
        Assert.That(cache.TryKeepFilter("b", 1500, () => dropped.Add("b")), Is.True);
        Assert.That(cache.TryKeepFilter("c", 501, () => dropped.Add("c")), Is.False);
        cache.Reserve(500);
        Assert.That(dropped, Is.Empty);
        cache.Reserve(1);
        Assert.That(dropped, Is.EqualTo(new[] { "b" }));
        Assert.That(cache.ReservedBytes, Is.EqualTo(1501));
        cache.Remove(new IndexPageTable(0), "a");
        Assert.That(cache.ReservedBytes, Is.EqualTo(501));
        cache.Reserve(3000);
        Assert.That(dropped, Is.EqualTo(new[] { "b" }), "what was given back is not dropped again");
    }

    [Test]
    public void Cache_ReleaseOfMoreThanReserved_Throws() => Assert.That(() => new IndexPageCache(10).Release(1), Throws.InstanceOf<ArgumentOutOfRangeException>());
}
