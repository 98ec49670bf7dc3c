using System.Text.Json.Nodes;
using VmRepl.Hypervisors.Definitions;
using VmRepl.Hypervisors.Qemu;
using VmRepl.Hypervisors.Qmp;

namespace VmRepl.Hypervisors.Boot;

/// <summary>
/// Boots a VM over writable disks, waits for the check, takes a picture, and leaves nothing: QEMU is killed and waited for, the work directory removed, however the test ends
/// (passed, failed, cancelled, an exception). If our own process is killed, QEMU ends with it (<see cref="QemuProcess"/>) and the directory goes with the next test.
/// </summary>
public sealed class BootTest(BootOptions options, TimeProvider time)
{
    private static readonly TimeSpan ReadyLimit = TimeSpan.FromSeconds(60), CommandLimit = TimeSpan.FromSeconds(20), EndLimit = TimeSpan.FromSeconds(2);
    private const long ScreenshotBytesMax = 64 << 20;

    /// <exception cref="DefinitionException">A file of the definition is refused or missing.</exception>
    /// <exception cref="QemuException">QEMU is missing, or does not start with this VM.</exception>
    /// <exception cref="ArgumentException">The check's pattern cannot be used.</exception>
    public async Task<BootResult> RunAsync(VmDefinition definition, IReadOnlyList<ExportedDisk> attached, CancellationToken cancellation)
    {
        var watch = new BootWatch(options.Check, options.ResetsMax);
        var matched = MatchedDisks.Match(definition, [.. attached.Select(disk => disk.Name)]);
        var qemu = await QemuInstallation.FindAsync(definition.Architecture, cancellation);
        var accelerator = options.Accelerator != Accelerator.Best ? options.Accelerator : qemu.HasKvm ? Accelerator.Kvm : Accelerator.Tcg;
        using var work = WorkDirectory.Create(options.WorkParent);
        var (files, fileNotes) = new DefinitionFiles(options.AllowedDirectories).Prepare(definition, work.Path);
        var setting = new QemuSetting(accelerator, files, work.Path);
        var (arguments, lineNotes) = QemuCommandLine.Build(definition, matched, attached, qemu, setting);
        List<string> notes = [.. definition.Notes, .. matched.Notes, .. fileNotes, .. lineNotes];
        if (!QemuProcess.IsTied) notes.Add("setpriv is not on this host: if this program is killed, QEMU stays.");

        var started = time.GetUtcNow();
        var clock = time.GetTimestamp();
        Attempt attempt;
        await using (var process = await QemuProcess.StartAsync(qemu.Program, arguments))
        {
            try
            {
                attempt = await AttemptAsync(process, setting, watch, clock, notes, cancellation);
            }
            catch (QmpException e)
            {
                // A QEMU that refuses its arguments closes its sockets a moment before it is gone, and says why on its standard error.
                await process.Ended.WaitAsync(EndLimit, time, cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                throw new QemuException($"QEMU failed: {(process.Errors is { Length: > 0 } said ? said : e.Message)}", "The text is QEMU's own.", e);
            }
        }

        if (watch.IoErrors > 0) notes.Add($"QEMU met {watch.IoErrors} errors of the disks.");
        return new BootResult(
            attempt.Reason is null, options.Check.Text, attempt.Reason, started, attempt.UpMs, attempt.CheckedMs, Since(clock),
            accelerator == Accelerator.Kvm ? "kvm" : "tcg", attempt.Version, attempt.Screenshot, attempt.Reason is null ? null : attempt.SerialTail, notes);
    }

    private async Task<Attempt> AttemptAsync(QemuProcess process, QemuSetting setting, BootWatch watch, long clock, List<string> notes, CancellationToken cancellation)
    {
        using var serialSocket = await process.ConnectAsync(setting.SerialSocket, ReadyLimit, cancellation);
        await using var qmp = await QmpConnection.OpenAsync(await process.ConnectAsync(setting.QmpSocket, ReadyLimit, cancellation), watch.OnEvent, ReadyLimit, time, cancellation);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var serialFile = Path.Combine(setting.WorkDirectory, "serial.log");
        var serial = new SerialText(serialSocket, serialFile);
        var reading = serial.ReadAsync(watch.OnText, ending.Token);
        try
        {
            await qmp.ExecuteAsync("cont", null, CommandLimit, cancellation);
            var up = Since(clock);
            var reason = await CheckAsync(process, setting, serialFile, watch, cancellation);
            long? checkedMs = reason is null ? Since(clock) : null;
            var screenshot = await ScreenshotAsync(qmp, setting, notes, cancellation);
            if (reason is null) await PowerDownAsync(qmp, process, watch, notes, cancellation);
            return new Attempt(reason, up, checkedMs, qmp.Version, screenshot, serial.Tail());
        }
        finally
        {
            await ending.CancelAsync();
            await reading;
        }
    }

    /// <returns>Null if it passed, else the reason.</returns>
    private async Task<string?> CheckAsync(QemuProcess process, QemuSetting setting, string serialFile, BootWatch watch, CancellationToken cancellation)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var isSurvival = options.Check is BootCheck.Survives;
        var limit = Task.Delay(options.Check is BootCheck.Survives survives ? survives.Time : options.Limit, time, ending.Token);
        var check = options.Check switch
        {
            BootCheck.GuestAgent => AgentAsync(process, setting, ending.Token),
            BootCheck.Script script => CheckScript.RunAsync(script, options.Group, setting, serialFile, process.Id, ending.Token),
            BootCheck.Survives => Task.Delay(Timeout.InfiniteTimeSpan, ending.Token).ContinueWith(_ => (string?)null, TaskScheduler.Default),
            _ => PassedAsync(watch, ending.Token),
        };
        try
        {
            var first = await Task.WhenAny(check, watch.Failed, process.Ended, limit);
            // The serial text and the shutdown come by two ways: what was written before it may arrive after it.
            if (first == watch.Failed && options.Check is BootCheck.SerialText or BootCheck.SerialPattern) await Task.WhenAny(check, Task.Delay(TimeSpan.FromMilliseconds(300), time, ending.Token));
            cancellation.ThrowIfCancellationRequested();
            if (check.IsCompleted) return await check;
            if (watch.Failed.IsCompleted) return await watch.Failed;
            if (process.Ended.IsCompleted) return $"QEMU ended. {process.Errors}".TrimEnd();
            return isSurvival ? null : $"The check did not pass within {options.Limit.TotalSeconds} s.";
        }
        finally
        {
            await ending.CancelAsync();
            await ((Task)check).WaitAsync(CommandLimit, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static async Task<string?> PassedAsync(BootWatch watch, CancellationToken cancellation)
    {
        await watch.Passed.WaitAsync(cancellation);
        return null;
    }

    private static async Task<string?> AgentAsync(QemuProcess process, QemuSetting setting, CancellationToken cancellation)
    {
        using var socket = await process.ConnectAsync(setting.AgentSocket, ReadyLimit, cancellation);
        await GuestAgentProbe.WaitAsync(socket, cancellation);
        return null;
    }

    private async Task<string?> ScreenshotAsync(QmpConnection qmp, QemuSetting setting, List<string> notes, CancellationToken cancellation)
    {
        if (options.ScreenshotFile is not { } wanted) return null;
        var picture = Path.Combine(setting.WorkDirectory, "screen.png");
        try
        {
            await qmp.ExecuteAsync("screendump", new JsonObject { ["filename"] = picture, ["format"] = "png" }, CommandLimit, cancellation);
            if (new FileInfo(picture).Length > ScreenshotBytesMax) throw new IOException($"the picture is larger than {ScreenshotBytesMax} bytes");
            File.Copy(picture, wanted, overwrite: false);
            return wanted;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            notes.Add($"There is no screenshot: {e.Message}.");
            return null;
        }
    }

    private async Task PowerDownAsync(QmpConnection qmp, QemuProcess process, BootWatch watch, List<string> notes, CancellationToken cancellation)
    {
        if (options.PowerdownLimit <= TimeSpan.Zero) return;
        try
        {
            await qmp.ExecuteAsync("system_powerdown", null, CommandLimit, cancellation);
            var limit = Task.Delay(options.PowerdownLimit, time, cancellation);
            if (await Task.WhenAny(watch.Failed, process.Ended, limit) == limit) notes.Add("The guest did not shut down when asked; it was switched off.");
            cancellation.ThrowIfCancellationRequested();
        }
        catch (QmpException e)
        {
            notes.Add($"The guest could not be asked to shut down: {e.Message}.");
        }
    }

    private long Since(long clock) => (long)time.GetElapsedTime(clock).TotalMilliseconds;

    private sealed record Attempt(string? Reason, long UpMs, long? CheckedMs, string Version, string? Screenshot, string SerialTail);
}
