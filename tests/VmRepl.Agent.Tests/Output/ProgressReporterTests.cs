using VmRepl.Agent.Output;
using VmRepl.Agent.Output.Progress;

namespace VmRepl.Agent.Tests.Output;

internal sealed class ProgressReporterTests
{
    private const long Total = 100 << 20;

    private SteppedTime time = null!;
    private StringWriter written = null!;

    [SetUp]
    public void SetUp() => (time, written) = (new SteppedTime(), new StringWriter());

    [TearDown]
    public void TearDown() => written.Dispose();

    [Test]
    public async Task RunAsync_DoneWithinASecond_ShowsNothing()
    {
        Assert.That(await Reporter().RunAsync("Work", Total, _ => Task.FromResult(7)), Is.EqualTo(7));
        Assert.That(written.ToString(), Is.Empty);
    }

    [Test]
    public async Task RunAsync_NoTerminal_WritesPlainLinesWithRateAndTimeLeft()
    {
        var end = new TaskCompletionSource();
        IProgress<long>? bytes = null;
        var running = Reporter().RunAsync("Work", Total, async progress =>
        {
            bytes = progress;
            await end.Task;
            return true;
        });
        bytes!.Report(10 << 20);
        await Pass(TimeSpan.FromSeconds(1));
        bytes.Report(60 << 20);
        await Pass(TimeSpan.FromSeconds(5));
        bytes.Report(Total);
        end.SetResult();
        await running;
        Assert.That(written.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries), Is.EqualTo(new[]
        {
            "Work: 10% 10 MiB of 100 MiB  10 MiB/s  9 s left",
            "Work: 60% 60 MiB of 100 MiB  10 MiB/s  4 s left",
            "Work: done, 100 MiB in 6.00 s (16.7 MiB/s)",
        }));
    }

    [Test]
    public async Task RunAsync_SeveralLines_ShowsEach()
    {
        var end = new TaskCompletionSource();
        var running = Reporter().RunAsync(async group =>
        {
            group.Add("sda", Total).Report(1 << 20);
            group.Add("sdb", -1).Report(2 << 20);
            await end.Task;
            return true;
        });
        await Pass(TimeSpan.FromSeconds(1));
        end.SetResult();
        await running;
        Assert.That(written.ToString(), Does.Contain("sda: 1% 1 MiB of 100 MiB").And.Contain("sdb: 2 MiB  2 MiB/s\n"));
    }

    [Test]
    public async Task RunAsync_WorkFails_ThrowsWhatItThrew()
    {
        var end = new TaskCompletionSource<bool>();
        var running = Reporter().RunAsync("Work", Total, _ => end.Task);
        await Pass(TimeSpan.FromSeconds(1));
        end.SetException(new CommandFailure("broken"));
        Assert.That(async () => await running, Throws.TypeOf<CommandFailure>());
        Assert.That(written.ToString(), Does.Not.Contain("done"));
    }

    [Test]
    public void Run_LongWork_WritesPlainLinesAndEndsBeforeItReturns()
    {
        Reporter().Run("Work", Total, progress =>
        {
            progress.Report(Total / 2);
            time.Advance(TimeSpan.FromSeconds(1));
            Assert.That(() => written.ToString(), Does.Contain("Work: 50%").After(5000, 10));
            progress.Report(Total);
        });
        Assert.That(written.ToString(), Does.Contain("Work: done, 100 MiB in 1.00 s"));
    }

    [Test]
    public void Run_WorkFails_ThrowsWhatItThrew() =>
        Assert.That(() => Reporter().Run("Work", Total, _ => throw new CommandFailure("broken")), Throws.TypeOf<CommandFailure>());

    [Test]
    public async Task RunAsync_Terminal_DrawsABarAndNoMarkup()
    {
        var end = new TaskCompletionSource();
        var reporter = new ProgressReporter(written, new TerminalShape(100), time);
        var running = reporter.RunAsync("Work [red]", Total, async progress =>
        {
            progress.Report(Total / 4);
            await end.Task;
            return true;
        });
        await Pass(TimeSpan.FromSeconds(1));
        await Pass(TimeSpan.FromSeconds(1));
        end.SetResult();
        await running;
        Assert.That(written.ToString(), Does.Contain("Work [red]").And.Contain("25%").And.Contain("25 MiB of 100 MiB").And.Contain("\e["));
    }

    private ProgressReporter Reporter() => new(written, null, time);

    private async Task Pass(TimeSpan by)
    {
        // Somebody must wait before time passes, or it passes unseen.
        for (var i = 0; i < 1000 && !time.HasAlarm; i++) await Task.Delay(5);
        time.Advance(by);
        await Task.Delay(30);
    }
}
