namespace VmRepl.Agent.Hosting;

/// <summary>What both services set of .NET's host.</summary>
internal static class HostSettings
{
    /// <summary>
    /// As a command line. The configuration is read once: to hear of its changes the host would watch the working directory with everything below it, which may be the store, the disks, or the whole file system, and each write to them would cost
    /// an event.
    /// </summary>
    public static string[] Arguments { get; } = ["--hostBuilder:reloadConfigOnChange=false"];
}
