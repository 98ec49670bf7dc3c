namespace VmRepl.Images;

/// <summary>How a new image is made.</summary>
public sealed record ImageCreateOptions
{
    /// <summary>Logical sector size in bytes, 512 or 4096. Formats that cannot say 4096 refuse it. An overlay has its backing file's.</summary>
    public int SectorSize { get; init; } = 512;

    /// <summary>The randomness for the image's own identifiers (VHDX GUIDs, VMDK CID); a fixed one gives repeatable files.</summary>
    public Func<Guid> NewGuid { get; init; } = Guid.NewGuid;

    /// <summary>Makes the image an overlay: what it does not hold itself is read from there. Null: the image stands alone.</summary>
    public ImageBacking? Backing { get; init; }

    /// <summary>Directories, besides the new image's own, that <see cref="Backing"/> and the chain behind it may lie in.</summary>
    public IReadOnlyList<string> Allow { get; init; } = [];

    /// <summary>Which of a format's kinds, by qemu-img's name ("streamOptimized"); null for its usual one.</summary>
    public string? Subformat { get; init; }
}
