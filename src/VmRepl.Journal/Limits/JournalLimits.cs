namespace VmRepl.Journal.Limits;

/// <summary>The limits of one journal. It is given facts and says which limit they meet; what is done about it is its caller's.</summary>
/// <param name="options">What the administrator set.</param>
/// <param name="freeBytesMin">Bytes of the volume that are kept free: the reserve out of which retirement itself is paid.</param>
internal sealed class JournalLimits(JournalOptions options, long freeBytesMin)
{
    public long FreeBytesMin => freeBytesMin;

    /// <summary>Bytes that can be journaled at once when everything is retired that may ever be: the newest segment stays, and may be empty but for its header.</summary>
    public long MostForOneRecord => options.CapacityBytes == long.MaxValue ? long.MaxValue : (options.CapacityBytes / options.SegmentBytes * options.SegmentBytes) - Segments.SegmentLayout.HeaderBytes;

    /// <summary>The reserve where none was set: a twentieth of what is free, at most 1 GiB, and at least a segment, which is the most that handing one down takes.</summary>
    public static long ReserveOf(JournalOptions options, long freeBytes) => options.FreeBytesMin ?? Math.Max(options.SegmentBytes, Math.Min(1L << 30, freeBytes / 20));

    /// <summary>The first limit that is met, or null.</summary>
    /// <param name="segmentBytes">Bytes of all segments.</param>
    /// <param name="tailFreeBytes">Bytes of the newest segment that are free.</param>
    /// <param name="journalBytes">Most bytes that are about to be journaled.</param>
    /// <param name="freeBytes">Bytes free on the volume.</param>
    /// <param name="volumeBytes">Most bytes that they take of the volume, live images included.</param>
    /// <param name="oldestTimeUs">Time of the newest record of the oldest segment, microseconds since 1970; null where there is no segment.</param>
    public JournalLimit? Find(long segmentBytes, long tailFreeBytes, long journalBytes, long freeBytes, long volumeBytes, long? oldestTimeUs, DateTimeOffset now)
    {
        if (freeBytes - volumeBytes < freeBytesMin)
            return new JournalLimit($"the volume has {freeBytes} bytes free, {volumeBytes} more are needed and {freeBytesMin} are kept in reserve", true);
        var newSegments = Math.Max(0, (journalBytes - tailFreeBytes + options.SegmentBytes - 1) / options.SegmentBytes);
        if (segmentBytes + (newSegments * options.SegmentBytes) > options.CapacityBytes)
            return new JournalLimit($"the journal may take {options.CapacityBytes} bytes, has {segmentBytes} and needs up to {newSegments * options.SegmentBytes} more", true);
        if (oldestTimeUs < (now - options.AgeMax - DateTimeOffset.UnixEpoch).Ticks / 10) return new JournalLimit("its age", false);
        return null;
    }
}
