namespace VmRepl.Replication.Source.Following;

/// <summary>Why a replica is no longer in sync.</summary>
internal enum LossOfSync
{
    /// <summary>The link was given up.</summary>
    LinkGivenUp,

    /// <summary>The guest wrote faster than the replica took it: the buffer was full, and a change was tracked.</summary>
    BufferFull,

    /// <summary>A change failed on the local image: what that holds there is brought over anew.</summary>
    LocalFailure,
}
