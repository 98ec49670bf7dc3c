using System.Buffers.Binary;
using VmRepl.Blocks;

namespace VmRepl.Images.Vhdx;

/// <summary>What the metadata region says of the disk ([MS-VHDX] 2.6).</summary>
internal sealed record VhdxMetadata
{
    /// <summary>Bytes of a payload block: a power of two from 1 MiB to 256 MiB.</summary>
    public required int BlockSize { get; init; }

    /// <summary>Blocks stay allocated: a fixed disk.</summary>
    public bool LeaveAllocated { get; init; }

    public bool HasParent { get; init; }

    /// <summary>Bytes of the disk: a multiple of the logical sector, at most 64 TiB.</summary>
    public required long Length { get; init; }

    public required Guid DiskId { get; init; }

    public required int LogicalSectorSize { get; init; }

    public required int PhysicalSectorSize { get; init; }

    public VhdxParentLocator? Parent { get; init; }
}
