using VmRepl.Blocks.Files;

namespace VmRepl.Blocks.Tests.Files;

[TestFixture, Platform("Linux")]
public class ThreadWaitsTests
{
    [Test]
    public void Thread_ThatWorks_IsAtWork_AndOneThatWaitsIsNot()
    {
        using var ends = new ManualResetEvent(false);
        var (working, waiting, hasEnded) = (0, 0, false);
        var worker = new Thread(() =>
        {
            Volatile.Write(ref working, ThreadWaits.Current);
            while (!Volatile.Read(ref hasEnded)) Thread.SpinWait(100);
        });
        var waiter = new Thread(() =>
        {
            Volatile.Write(ref waiting, ThreadWaits.Current);
            ends.WaitOne();
        });
        worker.Start();
        waiter.Start();
        try
        {
            Assert.That(() => Volatile.Read(ref working) != 0 && Volatile.Read(ref waiting) != 0, Is.True.After(5000, 5));
            Assert.That(() => ThreadWaits.IsAtWork(waiting), Is.False.After(5000, 5));
            Assert.That(ThreadWaits.IsAtWork(working), Is.True);
        }
        finally
        {
            Volatile.Write(ref hasEnded, true);
            ends.Set();
            worker.Join();
            waiter.Join();
        }

        Assert.That(() => ThreadWaits.IsAtWork(working), Is.False.After(5000, 5), "it has ended");
    }

    [Test]
    public void Thread_OfNoNumber_IsNotAtWork() => Assert.That(ThreadWaits.IsAtWork(0), Is.False);

    [Test]
    public void Count_GrowsByWaiting()
    {
        var before = ThreadWaits.Look().Waits;
        Thread.Sleep(1);
        Assert.That(ThreadWaits.Look().Waits, Is.GreaterThan(before));
    }
}
