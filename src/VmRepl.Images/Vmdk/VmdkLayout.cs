namespace VmRepl.Images.Vmdk;

/// <summary>Figures of the VMDK formats (Virtual Disk Format 5.0). Everything is little endian, every place a number of 512-byte sectors.</summary>
internal static class VmdkLayout
{
    public const int SectorBytes = 512;

    /// <summary>Largest descriptor that is read, embedded or not.</summary>
    public const int DescriptorBytesMax = 1 << 20;

    /// <summary>Most extents of one disk: 2 GiB each, they make a disk of 1 TiB.</summary>
    public const int ExtentsMax = 512;

    /// <summary>Largest grain directory that is read.</summary>
    public const long DirectoryBytesMax = 128 << 20;

    public const int GrainSectorsMin = 8;

    /// <summary>Largest grain: 16 MiB. The specification names none; QEMU reads up to 1 GiB, nobody writes above 64 KiB.</summary>
    public const int GrainSectorsMax = 32768;

    public const int TableEntriesMax = 512;

    /// <summary>The "parentCID" of a disk that has no parent.</summary>
    public const uint NoParent = 0xFFFFFFFF;

    public static ReadOnlySpan<byte> SparseMagic => "KDMV"u8;

    public static ReadOnlySpan<byte> CowMagic => "COWD"u8;

    /// <summary>The first bytes of an seSparse extent, of which QEMU's reader knows.</summary>
    public static ReadOnlySpan<byte> SeSparseMagic => [0xBE, 0xBA, 0xFE, 0xCA, 0, 0, 0, 0];

    /// <summary>The first bytes of a "-ctk.vmdk" file, by which it is told from a disk; nothing else of it is known (libyal, VMDK documentation, "Changed block tracking").</summary>
    public static ReadOnlySpan<byte> ChangeTrackingMagic => [0xA2, 0x72, 0x19, 0xF6];

    public static ReadOnlySpan<byte> DescriptorMagic => "# Disk DescriptorFile"u8;
}
