namespace VmRepl.Clones.Made;

/// <summary>One disk of a made clone.</summary>
/// <param name="Name">The disk's, in its group.</param>
/// <param name="CloneGroup">The group that holds it at the replica.</param>
/// <param name="Length">Bytes.</param>
/// <param name="SectorSize">Logical sector in bytes.</param>
public sealed record MadeDisk(string Name, string CloneGroup, long Length, int SectorSize)
{
    /// <summary>Whether its file here is whole and durable.</summary>
    public bool IsCopied { get; init; }

    /// <summary>Whether the point could not be all of it at the replica: it is compared by digests with the file here, and never again taken from the point alone.</summary>
    public bool IsCompared { get; init; }

    /// <summary>Bytes that the replica did not have and that were sent.</summary>
    public long OwnBytes { get; init; }

    /// <summary>When the replica had all of it; null until then.</summary>
    public DateTimeOffset? Protected { get; init; }

    /// <summary>Of its file here.</summary>
    public string FileName => Name + ".raw";
}
