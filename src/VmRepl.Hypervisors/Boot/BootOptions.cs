using VmRepl.Hypervisors.Qemu;

namespace VmRepl.Hypervisors.Boot;

public sealed record BootOptions
{
    public required string Group { get; init; }

    public required BootCheck Check { get; init; }

    /// <summary>How long the check may take from the VM's start. Default 5 min.</summary>
    public TimeSpan Limit { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Where the work directory is made; a short path. Default: the host's temporary directory.</summary>
    public string WorkParent { get; init; } = Path.GetTempPath();

    /// <summary>Where the screenshot goes (PNG), made new; null for none.</summary>
    public string? ScreenshotFile { get; init; }

    /// <summary>Directories in which the definition may name kernels, firmware and variables.</summary>
    public IReadOnlyList<string> AllowedDirectories { get; init; } = [];

    public Accelerator Accelerator { get; init; } = Accelerator.Best;

    /// <summary>How long the guest gets to shut down by itself at the end. Default 0: it is switched off, as its disks are thrown away.</summary>
    public TimeSpan PowerdownLimit { get; init; } = TimeSpan.Zero;

    /// <summary>Resets by the guest that are no boot loop yet: first boots of some systems restart once or twice. Default 3.</summary>
    public int ResetsMax { get; init; } = 3;
}
