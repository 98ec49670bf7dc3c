using System.Text.RegularExpressions;
using VmRepl.Hypervisors.Qmp;

namespace VmRepl.Hypervisors.Boot;

/// <summary>Sees what the guest does and decides: the serial check passed, or the boot failed. It knows no socket and no clock.</summary>
internal sealed partial class BootWatch
{
    private readonly TaskCompletionSource passed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<string> failed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Func<string, bool>? isWanted;
    private readonly int resetsMax;
    private int resets, ioErrors;

    public BootWatch(BootCheck check, int resetsMax)
    {
        this.resetsMax = resetsMax;
        switch (check)
        {
            case BootCheck.SerialText text: isWanted = window => window.Contains(text.Wanted, StringComparison.Ordinal); break;
            case BootCheck.SerialPattern pattern:
                var regex = pattern.Compile();
                isWanted = regex.IsMatch;
                break;
        }
    }

    /// <summary>Ends when the serial text that was asked for is seen.</summary>
    public Task Passed => passed.Task;

    /// <summary>Ends with the reason when the guest cannot pass any more.</summary>
    public Task<string> Failed => failed.Task;

    public int IoErrors => Volatile.Read(ref ioErrors);

    public void OnText(string window)
    {
        // What is wanted may stand in the text of a panic.
        if (isWanted?.Invoke(window) == true) passed.TrySetResult();
        else if (Panic().IsMatch(window)) failed.TrySetResult("The guest's kernel panicked.");
    }

    public void OnEvent(QmpEvent told)
    {
        switch (told.Name)
        {
            case "GUEST_PANICKED": failed.TrySetResult("The guest reported a panic."); break;
            case "SHUTDOWN" when IsOfGuest(told): failed.TrySetResult("The guest shut itself down."); break;
            case "RESET" when IsOfGuest(told) && Interlocked.Increment(ref resets) > resetsMax: failed.TrySetResult($"The guest restarted more than {resetsMax} times."); break;
            case "BLOCK_IO_ERROR": Interlocked.Increment(ref ioErrors); break;
        }
    }

    private static bool IsOfGuest(QmpEvent told) => told.Body["guest"] is { } guest && guest.GetValueKind() == System.Text.Json.JsonValueKind.True;

    [GeneratedRegex(@"Kernel panic - not syncing|\*\*\* STOP: 0x", RegexOptions.CultureInvariant)]
    private static partial Regex Panic();
}
