namespace VmRepl.Journal;

/// <summary>What a journal did since it was opened. For measurements and for tests that have to know that something happened at all.</summary>
public sealed class JournalCounters
{
    /// <summary>Commits written, each with one flush.</summary>
    public long Commits { get; internal set; }

    /// <summary>Undo records written.</summary>
    public long UndoRecords { get; internal set; }

    /// <summary>Bytes of old contents read from the live images.</summary>
    public long UndoBytes { get; internal set; }

    /// <summary>Those of them that share extents with a live image and were not written.</summary>
    public long UndoBytesShared { get; internal set; }

    /// <summary>Bytes of records that the live images were given by sharing extents with the journal, and that were not written a second time.</summary>
    public long AppliedBytesShared { get; internal set; }

    /// <summary>Hand-down records written.</summary>
    public long HandDowns { get; internal set; }

    /// <summary>Bytes of contents handed down.</summary>
    public long HandDownBytes { get; internal set; }

    /// <summary>Hand-downs of contents that were damaged.</summary>
    public long DamagedHandDowns { get; internal set; }

    /// <summary>Views that gave way at a hard limit.</summary>
    public long ViewsClosed { get; internal set; }

    /// <summary>Bytes of void copies given back within segments.</summary>
    public long VoidBytes { get; internal set; }

    public long SegmentsRetired { get; internal set; }

    /// <summary>Segments that took over the file of a retired one.</summary>
    public long SegmentsRecycled { get; internal set; }

    public long Checkpoints { get; internal set; }

    /// <summary>Index files made, those that others were merged into with them.</summary>
    public long IndexFilesWritten { get; internal set; }

    /// <summary>Index files made of others.</summary>
    public long IndexMerges { get; internal set; }

    /// <summary>Commits that no index file covers, read at opening.</summary>
    public long CommitsReadAtOpening { get; internal set; }

    /// <summary>Records applied again at opening.</summary>
    public long RecordsRedone { get; internal set; }

    /// <summary>Whether the opening passed over a commit of which not everything was there.</summary>
    public bool TailWasTorn { get; internal set; }

    /// <summary>Commits read at opening in which one bit was flipped, and which were read as they had been written.</summary>
    public long CommitsMended { get; internal set; }

    /// <summary>The counts as they are now.</summary>
    public JournalCounters Copy() => (JournalCounters)MemberwiseClone();
}
