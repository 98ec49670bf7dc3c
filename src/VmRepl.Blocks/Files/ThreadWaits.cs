namespace VmRepl.Blocks.Files;

/// <summary>How often a thread gave its processor away to wait: what tells waiting from working where both take the same time.</summary>
public static class ThreadWaits
{
    /// <summary>Of the present thread, since it began; -1 where the system does not tell. A fraction of a microsecond.</summary>
    public static unsafe long Count()
    {
        if (!OperatingSystem.IsLinux()) return -1;
        var usage = stackalloc long[LibC.UsageWords];
        return LibC.GetResourceUsage(LibC.UsageOfThread, usage) == 0 ? usage[LibC.UsageVoluntarySwitches] : -1;
    }
}
