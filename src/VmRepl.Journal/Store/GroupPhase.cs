namespace VmRepl.Journal.Store;

/// <summary>How far a group's replica has come.</summary>
public enum GroupPhase
{
    /// <summary>No point yet: the live images are being filled, and nothing can be restored.</summary>
    Baseline,

    /// <summary>There is at least one point; what comes is journaled.</summary>
    Following,
}
