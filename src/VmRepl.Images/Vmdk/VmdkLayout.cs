namespace VmRepl.Images.Vmdk;

/// <summary>Figures of the VMDK formats (Virtual Disk Format 5.0). Everything is little endian, every place a number of 512-byte sectors.</summary>
internal static class VmdkLayout
{
    /// <summary>A sector, in which everything is counted ("Hosted Sparse Extents").</summary>
    public const int SectorBytes = 512;

    /// <summary>Largest descriptor that is read, embedded or not.</summary>
    public const int DescriptorBytesMax = 1 << 20;

    /// <summary>Most extents of one disk: 2 GiB each, they make a disk of 1 TiB.</summary>
    public const int ExtentsMax = 512;

    /// <summary>Largest grain directory that is read.</summary>
    public const long DirectoryBytesMax = 128 << 20;

    /// <summary>Smallest grain: 4 KiB ("Hosted Sparse Extents", grainSize).</summary>
    public const int GrainSectorsMin = 8;

    /// <summary>Largest grain: 16 MiB. The specification names none; QEMU reads up to 1 GiB, nobody writes above 64 KiB.</summary>
    public const int GrainSectorsMax = 32768;

    /// <summary>Entries of a grain table ("Grain Table").</summary>
    public const int TableEntriesMax = 512;

    /// <summary>The parentCID of a disk that has no parent ("The Header").</summary>
    public const uint NoParent = 0xFFFFFFFF;

    /// <summary>"magicNumber" of a hosted sparse extent, as bytes ("Hosted Sparse Extents").</summary>
    public static ReadOnlySpan<byte> SparseMagic => "KDMV"u8;

    /// <summary>"magicNumber" of an ESX server sparse extent ("ESX Server Sparse Extents").</summary>
    public static ReadOnlySpan<byte> CowMagic => "COWD"u8;

    /// <summary>The first bytes of an seSparse extent, of which QEMU's reader knows.</summary>
    public static ReadOnlySpan<byte> SeSparseMagic => [0xBE, 0xBA, 0xFE, 0xCA, 0, 0, 0, 0];

    /// <summary>The first bytes of a "-ctk.vmdk" file, by which it is told from a disk; nothing else of it is known (libyal, VMDK documentation, "Changed block tracking").</summary>
    public static ReadOnlySpan<byte> ChangeTrackingMagic => [0xA2, 0x72, 0x19, 0xF6];

    /// <summary>The first line of VMware's own descriptors ("The Descriptor File").</summary>
    public static ReadOnlySpan<byte> DescriptorMagic => "# Disk DescriptorFile"u8;
}
