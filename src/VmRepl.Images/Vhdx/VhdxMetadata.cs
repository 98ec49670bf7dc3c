using System.Buffers.Binary;
using VmRepl.Blocks;

namespace VmRepl.Images.Vhdx;

/// <summary>What the metadata region says of the disk ([MS-VHDX] 2.6).</summary>
internal sealed record VhdxMetadata
{
    /// <summary>BlockSize (2.6.2.1): bytes of a payload block, a power of two from 1 MiB to 256 MiB.</summary>
    public required int BlockSize { get; init; }

    /// <summary>LeaveBlockAllocated (2.6.2.1): blocks stay allocated, a fixed disk.</summary>
    public bool LeaveAllocated { get; init; }

    /// <summary>HasParent (2.6.2.1): a differencing disk.</summary>
    public bool HasParent { get; init; }

    /// <summary>VirtualDiskSize (2.6.2.2): bytes of the disk, a multiple of the logical sector, at most 64 TiB.</summary>
    public required long Length { get; init; }

    /// <summary>VirtualDiskId (2.6.2.3), which the guest sees as SCSI page 83.</summary>
    public required Guid DiskId { get; init; }

    /// <summary>LogicalSectorSize (2.6.2.4): 512 or 4096 bytes.</summary>
    public required int LogicalSectorSize { get; init; }

    /// <summary>PhysicalSectorSize (2.6.2.5): 512 or 4096 bytes, for the guest alone.</summary>
    public required int PhysicalSectorSize { get; init; }

    /// <summary>The parent locator (2.6.2.6); null without a parent.</summary>
    public VhdxParentLocator? Parent { get; init; }
}
