namespace VmRepl.Clones.Made;

/// <summary>A clone of all disks of a group, made in step with the replica; the file <c>clone.json</c> of its directory.</summary>
/// <param name="Id">32 hexadecimal digits; the directory's name.</param>
/// <param name="Group">The group whose disks it is a clone of.</param>
/// <param name="Name">What people call it. Never a path.</param>
/// <param name="Asked">When it was asked for.</param>
/// <param name="State">How far it has come.</param>
/// <param name="Disks">In the order of the group's.</param>
public sealed record MadeClone(string Id, string Group, string Name, DateTimeOffset Asked, MadeState State, IReadOnlyList<MadeDisk> Disks)
{
    /// <summary>Its place in the group's order: it holds what every record before this sequence left. 0 where it has none yet.</summary>
    public ulong Sequence { get; init; }

    /// <summary>The place's time, microseconds since 1970.</summary>
    public long TimeUs { get; init; }

    /// <summary>No write was held longer for it, in milliseconds.</summary>
    public double HoldMs { get; init; }

    /// <summary>Why it failed, or how the last attempt at the replica ended; null for nothing to say.</summary>
    public string? Reason { get; init; }

    /// <summary>What tells it from one that was dropped, where only the replica is asked.</summary>
    public const string HowBegins = "made in step at sequence ";

    /// <summary>How it came to be, for people. Part of what the replica keeps, so it stays the same.</summary>
    public string How => $"{HowBegins}{Sequence}";

    public DateTimeOffset Time => TimeUs == 0 ? Asked : DateTimeOffset.UnixEpoch.AddTicks(TimeUs * TimeSpan.TicksPerMicrosecond);
}
