namespace VmRepl.Simulation.System;

/// <summary>How a connection is lost.</summary>
internal enum ConnectionCut
{
    /// <summary>Both ends are told, and what is on its way is gone.</summary>
    Both,

    /// <summary>The source is told. What it sent is still on its way and arrives, maybe after a newer connection was made.</summary>
    SourceOnly,

    /// <summary>The replica is told, the source hears nothing any more.</summary>
    ReplicaOnly,

    /// <summary>Nobody is told: half-open on both sides until somebody's patience ends.</summary>
    Silent,
}
