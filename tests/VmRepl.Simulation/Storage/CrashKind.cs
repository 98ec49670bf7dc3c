namespace VmRepl.Simulation.Storage;

/// <summary>How a simulated machine goes down.</summary>
public enum CrashKind
{
    /// <summary>Power is lost: each unsynced sector and each unflushed name is kept or dropped on its own.</summary>
    PowerLoss,

    /// <summary>The process is killed: what it wrote is still in the system's cache, and still not durable.</summary>
    ProcessKill,
}
