namespace VmRepl.Images.Opening;

/// <summary>How an image is opened.</summary>
public sealed record ImageOpenOptions
{
    /// <summary>The format; null to probe the file given (never a member of its chain).</summary>
    public ImageFormat? Format { get; init; }

    /// <summary>Name or id of an internal snapshot to open, read-only, instead of the active disk (QCOW2).</summary>
    public string? Snapshot { get; init; }

    public bool Writable { get; init; }

    /// <summary>Whether the path given may be a block device. It is read only, and raw where no format is given: its guest has written its first bytes. What an image names is never a device.</summary>
    public bool MayBeDevice { get; init; }

    /// <summary>Directories, besides the image's own, that its references may lead to.</summary>
    public IReadOnlyList<string> Allow { get; init; } = [];

    public IImageFiles Files { get; init; } = HostImageFiles.Instance;
}
