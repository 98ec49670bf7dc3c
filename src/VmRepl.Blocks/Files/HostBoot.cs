namespace VmRepl.Blocks.Files;

/// <summary>Tells one start of the host from another: in between, what was written and not flushed is gone.</summary>
public static class HostBoot
{
    private const string Source = "/proc/sys/kernel/random/boot_id";

    /// <summary>The same in every process until the host starts again. Where the system does not say, one that nobody had before: to its reader every start of a process is then one of the host.</summary>
    public static Guid Id()
    {
        try
        {
            return OperatingSystem.IsLinux() && Guid.TryParse(File.ReadAllText(Source).AsSpan().Trim(), out var id) && id != Guid.Empty ? id : Guid.NewGuid();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Guid.NewGuid();
        }
    }
}
