using System.Globalization;

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

    /// <summary>When the host started, by its clock as it is now, so a step of the clock moves it along; null where the system does not say.</summary>
    public static DateTimeOffset? Time(TimeProvider time)
    {
        if (!OperatingSystem.IsLinux()) return null;
        try
        {
            var text = File.ReadAllText("/proc/uptime");
            return time.GetUtcNow() - TimeSpan.FromSeconds(double.Parse(text.AsSpan(0, text.IndexOf(' ')), CultureInfo.InvariantCulture));
        }
        catch (Exception e) when (e is IOException or FormatException or ArgumentException)
        {
            return null;
        }
    }
}
