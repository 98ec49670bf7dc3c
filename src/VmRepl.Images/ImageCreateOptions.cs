namespace VmRepl.Images;

/// <summary>How a new image is made.</summary>
public sealed record ImageCreateOptions
{
    /// <summary>Logical sector size in bytes, 512 or 4096. Formats that cannot say 4096 refuse it.</summary>
    public int SectorSize { get; init; } = 512;

    /// <summary>The randomness for the image's own identifiers (VHDX GUIDs, VMDK CID); a fixed one gives repeatable files.</summary>
    public Func<Guid> NewGuid { get; init; } = Guid.NewGuid;
}
