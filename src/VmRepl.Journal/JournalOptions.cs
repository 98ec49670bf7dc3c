namespace VmRepl.Journal;

/// <summary>How one group's journal is kept.</summary>
public sealed record JournalOptions
{
    /// <summary>Size of a segment file in bytes; a power of two from 1 MiB to 1 GiB. A record with a payload of more than half of it is refused. Default 64 MiB.</summary>
    public long SegmentBytes { get; init; } = 64L << 20;

    /// <summary>Most bytes of segments kept; older ones are retired down to the floor, views of what goes are closed for it. Default: no limit of its own.</summary>
    public long CapacityBytes { get; init; } = long.MaxValue;

    /// <summary>How long points are kept at least to be offered; segments older than this are retired. Default 14 days.</summary>
    public TimeSpan AgeMax { get; init; } = TimeSpan.FromDays(14);

    /// <summary>Bytes of the volume left free, out of which retirement itself is paid: below it segments are retired, and when nothing may be retired commits are refused.
    /// Default: a twentieth of what is free at opening, at most 1 GiB and at least a segment.</summary>
    public long? FreeBytesMin { get; init; }

    /// <summary>The live image is flushed and a checkpoint written after this many applied bytes. Default 256 MiB.</summary>
    public long CheckpointBytes { get; init; } = 256L << 20;

    /// <summary>
    /// Old contents of 64 KiB and more share extents with the live image where the volume can, and are not written (<c>docs/decisions/0006-shared-extents.md</c>). Default true; without effect on a volume
    /// that cannot.
    /// </summary>
    public bool ShareOldContents { get; init; } = true;

    /// <summary>
    /// Records of 64 KiB and more are applied by letting the live image share extents with the journal where the volume can, so that the newest version takes no second copy. Default false.
    /// </summary>
    public bool ShareNewContents { get; init; }

    /// <summary>Randomness for segment headers; a simulation gives its own.</summary>
    public Func<ulong> NewNonce { get; init; } = static () => BitConverter.ToUInt64(System.Security.Cryptography.RandomNumberGenerator.GetBytes(sizeof(ulong)));
}
