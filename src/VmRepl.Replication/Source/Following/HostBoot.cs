using System.Globalization;

namespace VmRepl.Replication.Source.Following;

/// <summary>When this host booted.</summary>
internal static class HostBoot
{
    /// <summary>By the host's own clock as it is now, so a step of the clock moves it along; null where the system does not say.</summary>
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
