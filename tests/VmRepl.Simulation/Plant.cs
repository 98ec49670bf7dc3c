namespace VmRepl.Simulation;

/// <summary>Bugs that can be planted into this assembly's copy of the journal, to show that the simulation finds them.</summary>
public static class Plant
{
    public const string SkipPreImage = "skip-pre-image";
    public const string DropBeforeHandDown = "drop-before-hand-down";
    public const string AcknowledgeBeforeFlush = "acknowledge-before-flush";
    public const string TrustTornTail = "trust-torn-tail";
    public const string ViewWithoutSecondLook = "view-without-second-look";
    public const string FirstTouchBeforeRetirement = "first-touch-before-retirement";
    public const string OldContentsAfterWrite = "old-contents-after-write";
    public const string UndoForWholeExtent = "undo-for-whole-extent";
    public const string NewestForWholeBlock = "newest-for-whole-block";
    public const string CutRewindForgotten = "cut-rewind-forgotten";
    public const string DropOnUnflushedWord = "drop-on-unflushed-word";
    public const string TrustFailedFlush = "trust-failed-flush";
    public const string GiveBackNeeded = "give-back-needed";

    /// <summary>Of the source's marks.</summary>
    public const string DirtyBitClearedByFirstAck = "dirty-bit-cleared-by-first-ack";
    public const string MarkAfterWrite = "mark-after-write";
    public const string OverlapsUnordered = "overlaps-unordered";
    public const string ClearBeforeRead = "clear-before-read";
    public const string TrustOldDigest = "trust-old-digest";
    public const string ReuseSequences = "reuse-sequences";
    public const string AcceptOldEpoch = "accept-old-epoch";
    public const string AnchorWithoutDrain = "anchor-without-drain";

    public const string ScrubSkipsARegion = "scrub-skips-a-region";
    public const string ScrubSkipsUndo = "scrub-skips-undo";
    public const string TrustStaleDigest = "trust-stale-digest";

    /// <summary>Those of the scrub, which a scrub of its own finds out.</summary>
    public static readonly IReadOnlyList<string> OfScrub = [ScrubSkipsARegion, ScrubSkipsUndo, TrustStaleDigest];

    public static readonly IReadOnlyList<string> All =
        [SkipPreImage, DropBeforeHandDown, AcknowledgeBeforeFlush, TrustTornTail, ViewWithoutSecondLook, FirstTouchBeforeRetirement, OldContentsAfterWrite, UndoForWholeExtent,
        NewestForWholeBlock, CutRewindForgotten, DropOnUnflushedWord, TrustFailedFlush, GiveBackNeeded];

    /// <summary>Those of the source's side, and of what both sides agree on, which the system's simulation finds.</summary>
    public static readonly IReadOnlyList<string> OfSystem = [DirtyBitClearedByFirstAck, MarkAfterWrite, OverlapsUnordered, ClearBeforeRead, TrustOldDigest, ReuseSequences, AcceptOldEpoch, AnchorWithoutDrain];

    /// <summary>The one that is planted, or null.</summary>
    public static string? Planted { get; set; }

    /// <summary>Told each sequence that a source gives out.</summary>
    public static Action<ulong>? SequenceGiven { get; set; }

    /// <summary>Told when the interval of an anchor begins.</summary>
    public static Action? AnchorBegun { get; set; }

    /// <summary>Lets others run, at places where other threads would.</summary>
    public static global::System.Runtime.CompilerServices.YieldAwaitable Interleave() => Task.Yield();

    public static bool Is(string name) => Planted == name;
}
