namespace VmRepl.Blocks.Files;

/// <summary>Whether a thread waits: what tells waiting from working, and from being without a processor, where all of them take the same time.</summary>
public static class ThreadWaits
{
    [ThreadStatic]
    private static int current;

    /// <summary>The system's number of the present thread, for <see cref="IsAtWork"/>; 0 where there is none.</summary>
    public static int Current
    {
        get
        {
            if (current == 0 && OperatingSystem.IsLinux()) current = LibC.GetThreadId();
            return current;
        }
    }

    /// <summary>What the present thread has done since it began; <see cref="ThreadUse.Unknown"/> where the system does not tell. A fraction of a microsecond.</summary>
    public static unsafe ThreadUse Look()
    {
        if (!OperatingSystem.IsLinux()) return ThreadUse.Unknown;
        var usage = stackalloc long[LibC.UsageWords];
        // User and system time, seconds and microseconds each: getrusage(2).
        return LibC.GetResourceUsage(LibC.UsageOfThread, usage) == 0 ? new ThreadUse(usage[LibC.UsageVoluntarySwitches], ((usage[0] + usage[2]) * 1_000_000) + usage[1] + usage[3]) : ThreadUse.Unknown;
    }

    /// <summary>Whether a thread of this process works, or would if it had a processor. Some microseconds.</summary>
    /// <param name="thread">As <see cref="Current"/> gave it.</param>
    /// <returns>False where it waits for anything, and where the system does not tell.</returns>
    public static bool IsAtWork(int thread)
    {
        if (thread == 0 || !OperatingSystem.IsLinux()) return false;
        try
        {
            using var file = File.OpenHandle($"/proc/self/task/{thread}/stat");
            Span<byte> text = stackalloc byte[128];
            text = text[..RandomAccess.Read(file, text, 0)];
            // Number, name in parentheses (which may hold some), state: proc(5).
            var end = text.LastIndexOf(") "u8);
            return end >= 0 && end + 2 < text.Length && text[end + 2] == (byte)'R';
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It has ended.
            return false;
        }
    }
}
