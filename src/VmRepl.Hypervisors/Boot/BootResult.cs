namespace VmRepl.Hypervisors.Boot;

/// <summary>How a boot test went. Times are milliseconds since <paramref name="StartedUtc"/>.</summary>
/// <param name="HasPassed">The check passed.</param>
/// <param name="Check">What was checked.</param>
/// <param name="Reason">Why it failed, a whole sentence; null if it passed.</param>
/// <param name="StartedUtc">When QEMU was started.</param>
/// <param name="UpMs">When QEMU was ready and the guest's processors began to run; null if that never was.</param>
/// <param name="CheckedMs">When the check passed; null if it did not.</param>
/// <param name="EndedMs">When QEMU was gone.</param>
/// <param name="Accelerator">kvm or tcg.</param>
/// <param name="QemuVersion">Such as 7.2.22.</param>
/// <param name="ScreenshotFile">Where the picture is, or null.</param>
/// <param name="SerialTail">On failure the last 4 KiB of the guest's serial text, control characters made harmless; else null.</param>
/// <param name="Notes">What was decided, left out or replaced, whole sentences.</param>
public sealed record BootResult(
    bool HasPassed,
    string Check,
    string? Reason,
    DateTimeOffset StartedUtc,
    long? UpMs,
    long? CheckedMs,
    long EndedMs,
    string Accelerator,
    string QemuVersion,
    string? ScreenshotFile,
    string? SerialTail,
    IReadOnlyList<string> Notes);
