namespace VmRepl.Journal.Scrub;

/// <summary>How a group is scrubbed.</summary>
public sealed record ScrubOptions
{
    /// <summary>Most bytes read in a second; 0 for no limit. Default 0.</summary>
    public long BytesPerSecond { get; init; }

    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Told now and then, on the scrubbing thread.</summary>
    public Action<ScrubProgress>? Progress { get; init; }
}
