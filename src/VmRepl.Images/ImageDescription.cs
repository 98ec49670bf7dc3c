namespace VmRepl.Images;

/// <summary>What <c>image info</c> reports beyond size and format.</summary>
public sealed record ImageDescription
{
    /// <summary>Allocation unit in bytes: QCOW2 cluster, VHDX block, VMDK grain; null where the format has none.</summary>
    public long? ClusterSize { get; init; }

    /// <summary>The parent's name as the image gives it, or null.</summary>
    public string? BackingFile { get; init; }

    public ImageFormat? BackingFormat { get; init; }

    /// <summary>Format-specific facts by qemu-img's names: "compat", "compression-type", "create-type", "subformat", …</summary>
    public IReadOnlyDictionary<string, string> Details { get; init; } = new Dictionary<string, string>();
}
