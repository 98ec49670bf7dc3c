namespace VmRepl.Clones.Drops;

/// <summary>One version of one file in a drop directory, as the durable list has it.</summary>
/// <param name="CloneGroup">The name of the group that holds it at the replica, once there is one; given when it was first seen, and used once.</param>
/// <param name="Directory">Full path of the drop directory, links on the way to it resolved.</param>
/// <param name="Name">Its name there.</param>
/// <param name="Version">Which version of it.</param>
/// <param name="Seen">When this version was first seen.</param>
/// <param name="State">How far it has come.</param>
public sealed record DroppedFile(string CloneGroup, string Directory, string Name, FileVersion Version, DateTimeOffset Seen, DropState State)
{
    /// <summary>Why it waits or is quarantined, or how the last attempt to send it ended; null for nothing to say. Safe to be shown.</summary>
    public string? Reason { get; init => field = value is null ? null : ShownText.Of(value); }

    /// <summary>Whether it is quarantined for nothing that is protected being like it: it may be a clone of what is protected later.</summary>
    public bool IsUnmatched { get; init; }

    /// <summary>What it is a clone of; null until that is known.</summary>
    public CloneBase? Base { get; init; }

    /// <summary>Its image; null until it was opened as one.</summary>
    public DropImage? Image { get; init; }

    /// <summary>Bytes that the replica did not have and that were sent, in the attempt that succeeded. What earlier ones had sent is not counted.</summary>
    public long OwnBytes { get; init; }

    /// <summary>When the replica had all of it.</summary>
    public DateTimeOffset? Protected { get; init; }

    /// <summary>When it was found to be gone.</summary>
    public DateTimeOffset? Gone { get; init; }

    public string Path => System.IO.Path.Combine(Directory, Name);

    /// <summary>Its path, safe to be shown.</summary>
    internal string Shown => ShownText.Of(Path);
}
