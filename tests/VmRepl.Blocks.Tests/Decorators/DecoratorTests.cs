using VmRepl.Blocks.Decorators;
using VmRepl.Blocks.Tests.Scratch;

namespace VmRepl.Blocks.Tests.Decorators;

/// <summary>What each decorator does beside handing requests on, which the contract's tests show.</summary>
[TestFixture]
public class DecoratorTests
{
    private const int DiskBytes = 1 << 20;

    [Test]
    public void Delayed_EachRequest_WaitsAsToldWithJitterOfTheSeed()
    {
        List<TimeSpan> Waits(int seed)
        {
            var waits = new List<TimeSpan>();
            using var device = new DelayedDevice(new EmptyDevice(DiskBytes), o => o == DeviceOperation.Flush ? TimeSpan.FromMilliseconds(50) : TimeSpan.FromMilliseconds(2), TimeSpan.FromMilliseconds(4), seed, waits.Add);
            for (var i = 0; i < 20; i++) device.Read(0, new byte[512]);
            device.Flush();
            return waits;
        }

        var waits = Waits(3);
        Assert.Multiple(() =>
        {
            Assert.That(waits, Has.Count.EqualTo(21));
            Assert.That(waits[..20], Is.All.InRange(TimeSpan.FromMilliseconds(2), TimeSpan.FromMilliseconds(6)));
            Assert.That(waits[20], Is.InRange(TimeSpan.FromMilliseconds(50), TimeSpan.FromMilliseconds(54)));
            Assert.That(waits.Distinct().Count(), Is.GreaterThan(10));
            Assert.That(Waits(3), Is.EqualTo(waits));
            Assert.That(Waits(4), Is.Not.EqualTo(waits));
        });
    }

    [Test]
    public void Failing_RuleOfARangeAfterSome_FailsJustThose()
    {
        using var device = new FailingDevice(new EmptyDevice(DiskBytes), 1, new FailureRule { Operation = DeviceOperation.Read, Range = new Extent(4096, 512), After = 1, Failure = () => new IOException("bad sector") });
        device.Read(4096, new byte[512]);
        Assert.That(() => device.Read(4000, new byte[200]), Throws.TypeOf<IOException>().With.Message.EqualTo("bad sector"));
        device.Read(0, new byte[4096]);
        device.Read(4608, new byte[512]);
        device.Flush();
    }

    [Test]
    public void Failing_Rate_FailsThatShareAndTheSameBySeed()
    {
        string Failures(int seed)
        {
            using var device = new FailingDevice(new EmptyDevice(DiskBytes), seed, new FailureRule { Rate = 0.3 });
            return string.Concat(Enumerable.Range(0, 1000).Select(_ =>
            {
                try
                {
                    device.Read(0, new byte[1]);
                    return '.';
                }
                catch (IOException)
                {
                    return 'x';
                }
            }));
        }

        var first = Failures(5);
        Assert.That(first.Count(c => c == 'x'), Is.InRange(240, 360));
        Assert.That(Failures(5), Is.EqualTo(first));
        Assert.That(Failures(6), Is.Not.EqualTo(first));
    }

    [Test]
    public void Logged_SuccessAndFailure_AreToldWithWhatTheyWere()
    {
        var told = new List<LoggedRequest>();
        using var failing = new FailingDevice(new EmptyDevice(DiskBytes), 1, new FailureRule { Operation = DeviceOperation.Flush });
        using var device = new LoggedDevice(failing, told.Add, TimeProvider.System);
        device.Read(512, new byte[1024]);
        Assert.That(device.Flush, Throws.TypeOf<IOException>());
        Assert.Multiple(() =>
        {
            Assert.That((told[0].Operation, told[0].Offset, told[0].Length, told[0].Failure), Is.EqualTo((DeviceOperation.Read, 512L, 1024L, (Exception?)null)));
            Assert.That(told[1].Operation, Is.EqualTo(DeviceOperation.Flush));
            Assert.That(told[1].Failure, Is.TypeOf<IOException>());
        });
    }

    [Test]
    public void RateLimited_MoreThanASecondsWorth_WaitsForTheRest()
    {
        var clock = new HandClock();
        var waited = TimeSpan.Zero;
        using var device = new RateLimitedDevice(new EmptyDevice(DiskBytes), 100_000, 1000, clock, time =>
        {
            waited += time;
            clock.Advance(time);
        });
        device.Read(0, new byte[100_000]);
        Assert.That(waited, Is.EqualTo(TimeSpan.Zero), "a second's worth is there at the start");
        for (var i = 0; i < 5; i++) device.Read(0, new byte[20_000]);
        Assert.That(waited.TotalSeconds, Is.EqualTo(1).Within(0.001));
        clock.Advance(TimeSpan.FromHours(1));
        device.Read(0, new byte[300_000]);
        Assert.That(waited.TotalSeconds, Is.EqualTo(3).Within(0.001), "no more than a second's worth is saved up");
        for (var i = 0; i < 2000; i++) device.Flush();
        Assert.That(waited.TotalSeconds, Is.EqualTo(4).Within(0.01), "requests count too");
    }

    [Test]
    public void Closable_Closed_WaitsForWhatIsUnderWayAndRefusesTheRest()
    {
        using var entered = new ManualResetEventSlim();
        using var release = new ManualResetEventSlim();
        using var slow = new DelayedDevice(new EmptyDevice(DiskBytes), _ => TimeSpan.FromSeconds(1), TimeSpan.Zero, 1, _ =>
        {
            entered.Set();
            release.Wait();
        });
        var device = new ClosableDevice(slow, "attachment 7");
        var reading = Task.Run(() => device.Read(0, new byte[512]));
        entered.Wait();
        var closing = Task.Run(device.Dispose);
        Assert.That(closing.Wait(100), Is.False, "a request is under way");
        release.Set();
        Assert.That(Task.WaitAll([reading, closing], 5000), Is.True);
        Assert.That(() => device.Read(0, new byte[512]), Throws.TypeOf<ObjectDisposedException>().With.Message.Contains("attachment 7"));
        Assert.That(() => device.Map(0, 512).ToList(), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void ReadOnly_AnyChange_IsRefused()
    {
        using var device = new ReadOnlyDevice(new EmptyDevice(DiskBytes));
        Assert.Multiple(() =>
        {
            Assert.That(device.IsReadOnly, Is.True);
            Assert.That(() => device.Write(0, new byte[512]), Throws.TypeOf<NotSupportedException>());
            Assert.That(() => device.Zero(0, 512), Throws.TypeOf<NotSupportedException>());
            Assert.That(() => device.Punch(0, 512), Throws.TypeOf<NotSupportedException>());
        });
    }

    private sealed class HandClock : TimeProvider
    {
        private long ticks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => ticks;

        public void Advance(TimeSpan time) => ticks += time.Ticks;
    }
}
