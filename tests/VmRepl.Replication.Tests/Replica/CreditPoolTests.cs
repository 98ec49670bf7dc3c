using VmRepl.Replication.Replica;

namespace VmRepl.Replication.Tests.Replica;

public class CreditPoolTests
{
    private const long Pool = 64 << 20;

    [Test]
    public void Enter_FirstSession_BeginsWithAQuarterAndGrowsToAll()
    {
        var pool = new CreditPool(Pool);
        using var only = pool.Enter();
        Assert.That(only.GrantedBytes, Is.EqualTo(Pool / 4));
        Assert.That(only.Renew(1000), Is.EqualTo(Pool + 1000));
        Assert.That(only.Renew(24), Is.EqualTo(Pool + 1024), "as much again as was dealt with");
    }

    [Test]
    public void Renew_AnotherSessionCame_TakesNothingBackAndGrantsNothingUntilBelowThePart()
    {
        var pool = new CreditPool(Pool);
        using var first = pool.Enter();
        var granted = first.Renew(0);
        using (var second = pool.Enter())
        {
            Assert.That(second.GrantedBytes, Is.EqualTo(Pool / 4));
            Assert.That(second.Renew(0), Is.EqualTo(Pool / 2), "it does not wait for the first to use up what it has");
            Assert.That(first.Renew(Pool / 2), Is.EqualTo(granted), "its part is out");
            Assert.That(first.Renew(100), Is.EqualTo(granted + 100));
        }

        Assert.That(first.Renew(0), Is.EqualTo(granted + 100 + (Pool / 2)), "alone again");
    }

    [Test]
    public void Enter_MoreSessionsThanThePoolHasFloors_EachHasTheFloor()
    {
        var pool = new CreditPool(Pool);
        List<SessionCredit> sessions = [.. Enumerable.Range(0, 100).Select(_ => pool.Enter())];
        Assert.That(sessions[^1].GrantedBytes, Is.EqualTo(CreditPool.FloorBytes));
        Assert.That(sessions[^1].Renew(0), Is.EqualTo(CreditPool.FloorBytes));
        foreach (var session in sessions) session.Dispose();
        sessions[0].Dispose();
        Assert.That(pool.PartBytes, Is.EqualTo(Pool), "one that has left leaves once");
    }

    [Test]
    public void Enter_PoolBelowTheFloor_IsAllOfIt() => Assert.That(new CreditPool(1 << 20).Enter().GrantedBytes, Is.EqualTo(1 << 20));

    [Test]
    public void Renew_RandomSessions_NeverGoesBackAndNeverGrantsBeyondThePart()
    {
        var random = new Random(7);
        var pool = new CreditPool(Pool);
        var sessions = new List<(SessionCredit Credit, long Sent, long Processed)>();
        for (var step = 0; step < 20_000; step++)
        {
            if (sessions.Count < 3 || random.Next(20) == 0) sessions.Add((pool.Enter(), 0, 0));
            var i = random.Next(sessions.Count);
            var (credit, sent, processed) = sessions[i];
            if (random.Next(25) == 0)
            {
                credit.Dispose();
                sessions.RemoveAt(i);
                continue;
            }

            sent += random.NextInt64(0, credit.GrantedBytes - sent + 1);
            var bytes = random.NextInt64(0, sent - processed + 1);
            var before = credit.GrantedBytes;
            var after = credit.Renew(bytes);
            processed += bytes;
            sessions[i] = (credit, sent, processed);
            Assert.That(after, Is.GreaterThanOrEqualTo(before));
            Assert.That(after - processed, Is.EqualTo(Math.Max(before - processed, pool.PartBytes)));
        }
    }
}
