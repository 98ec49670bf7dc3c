namespace VmRepl.Journal.Points;

/// <summary>The names of the text facts that records carry (docs/journal-format.md, "Attributes").</summary>
public static class RecordAttribute
{
    /// <summary>Bookmark and clone: its name.</summary>
    public const string Name = "name";

    /// <summary>Clone: the source's own name of it, 32 hexadecimal digits.</summary>
    public const string Id = "id";

    /// <summary>Bookmark: the sequence that it names, decimal; its own where absent.</summary>
    public const string Point = "point";

    /// <summary>Resync-end and bookmark: "crash" or "application".</summary>
    public const string Consistency = "consistency";

    /// <summary>Metadata: the key.</summary>
    public const string Key = "key";

    /// <summary>Resync-begin, or a bookmark where it is the first record after the gap: first and last sequence that were given up, decimal.</summary>
    public const string GapFrom = "gap-from", GapTo = "gap-to";

    /// <summary>Resync-begin of a rewind, and the rewind record at its end: the sequence of the point gone to, decimal.</summary>
    public const string RewindTo = "rewind-to", To = "to";

    /// <summary>Checkpoint: every record up to here is in the live image, flushed.</summary>
    public const string Applied = "applied";

    /// <summary>Checkpoint: serial of the oldest segment that is still needed.</summary>
    public const string FirstSegment = "first-segment";

    /// <summary>Checkpoint: the start of the recovery range; where it is itself a point, that point's consistency, time and name.</summary>
    public const string Start = "start", StartConsistency = "start-consistency", StartTimeUs = "start-time-us", StartBookmark = "start-bookmark";
}
