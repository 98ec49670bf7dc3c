namespace VmRepl.Images.Operations;

/// <summary>How <see cref="ImageConverter"/> copies.</summary>
public sealed record ConvertOptions
{
    /// <summary>Whether the target is durable when the copy returns; off by default, as with qemu-img.</summary>
    public bool Flush { get; init; }

    /// <summary>Told the bytes of the source disk done so far, holes included; grows up to the disk's length.</summary>
    public IProgress<long>? Progress { get; init; }

    /// <summary>Told of every piece, in the disk's order, when it and all before it are written; its copy is the target.</summary>
    public FollowingDigest? Digest { get; init; }
}
