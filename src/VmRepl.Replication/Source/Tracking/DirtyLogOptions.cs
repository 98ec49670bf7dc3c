namespace VmRepl.Replication.Source.Tracking;

/// <summary>How a <see cref="DirtyRegionLog"/> keeps its marks.</summary>
internal sealed record DirtyLogOptions
{
    /// <summary>The host's start: where it is the same as before, what was stored in mapped memory is still there. One that nobody had before says that nothing is known.</summary>
    public required Guid BootId { get; init; }

    public required TimeProvider Time { get; init; }

    /// <summary>Buckets of 16 MiB that may have marks by sector at one time, a page of 4 KiB each. Default 16384 (64 MiB). At least 1.</summary>
    public int ExactBucketsMax { get; init; } = 16384;

    /// <summary>Segments of 4 MiB that may stay active: what has to be compared after the host's end. Default 1024 (4 GiB). Those in use count and are never taken out.</summary>
    public int ActiveMax { get; init; } = 1024;

    /// <summary>How long a segment has to be left alone before it is taken out of the activity log. Default 1 min.</summary>
    public TimeSpan IdleFor { get; init; } = TimeSpan.FromMinutes(1);
}
