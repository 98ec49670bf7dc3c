namespace VmRepl.Replication.Source.Tracking;

/// <summary>How the life of a <see cref="DirtyRegionLog"/> before this one ended, and so what its marks are worth.</summary>
internal enum LogStop
{
    /// <summary>There was none: everything is marked.</summary>
    New,

    /// <summary>It was closed: the marks are exact.</summary>
    Clean,

    /// <summary>The process died and the host did not: the marks are exact.</summary>
    ProcessDeath,

    /// <summary>The host went down: the marks that reached the disk, and the active segments as a whole.</summary>
    HostCrash,

    /// <summary>A file is missing, damaged, or another disk's: everything is marked.</summary>
    Damaged,
}
