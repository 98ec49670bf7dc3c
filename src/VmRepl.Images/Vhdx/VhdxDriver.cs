using System.Numerics;
using VmRepl.Blocks.Files;
using VmRepl.Images.Opening;

namespace VmRepl.Images.Vhdx;

/// <summary>VHDX, as [MS-VHDX] describes it: fixed, dynamic and differencing ones, read and written.</summary>
internal sealed class VhdxDriver : IImageDriver
{
    /// <summary>
    /// Blocks of a new disk. A guest's scattered writes cost a block each, in the file's length and, where the host keeps no holes, in space: so the smallest there is, 1 MiB
    /// (Hyper-V's own 32 MiB makes a fresh ext4 disk ten times as long). Bigger disks have bigger blocks, so that the table stays within 8 MiB or so.
    /// </summary>
    private const long BlocksMax = 1 << 20;

    public ImageFormat Format => ImageFormat.Vhdx;

    public bool Recognizes(ReadOnlySpan<byte> head) => head.StartsWith(VhdxLayout.FileSignature);

    public IDiskImage Open(IHostFile file, ImageContext context) => OpenImage(new VhdxFile(file), context);

    public IDiskImage Create(IHostFile file, long length, ImageCreateOptions options, TableMemory memory) => Write(file, length, options, parent: null, memory);

    public IDiskImage CreateOverlay(IHostFile file, long length, ImageCreateOptions options, IDiskImage parent, TableMemory memory)
    {
        if (parent is not VhdxImage behind) throw new NotSupportedException($"behind a differencing VHDX is a VHDX; {parent.Files[0].Path} is {parent.Format.Name()}");
        if (length != behind.Length) throw new NotSupportedException($"a differencing VHDX is as long as its parent ({behind.Length} bytes), not {length}");
        return Write(file, length, options, behind, memory);
    }

    private static VhdxImage Write(IHostFile file, long length, ImageCreateOptions options, VhdxImage? parent, TableMemory memory)
    {
        if (options.Subformat is not (null or "dynamic")) throw new NotSupportedException($"a VHDX of the subformat \"{options.Subformat}\" is not made here; dynamic is");
        var sectorSize = parent?.SectorSize ?? options.SectorSize;
        VhdxWriter.RequireSize(length, sectorSize);
        var blockSize = (long)BitOperations.RoundUpToPowerOf2((ulong)((length + BlocksMax - 1) / BlocksMax));
        var metadata = new VhdxMetadata
        {
            BlockSize = (int)Math.Max(blockSize, VhdxLayout.BlockSizeMin),
            Length = length,
            DiskId = options.NewGuid(),
            LogicalSectorSize = sectorSize,
            PhysicalSectorSize = 4096,
            HasParent = parent is not null,
            Parent = parent is null ? null : VhdxParentLocator.For(file.Path, options.Backing!.Name, parent.DataWriteGuid),
        };
        var regions = VhdxWriter.Place(new BatGeometry(length, metadata.BlockSize, metadata.LogicalSectorSize, metadata.HasParent));
        VhdxWriter.Write(file, metadata, regions, regions.Bat.End, options.NewGuid);
        file.Flush();
        var opened = new VhdxFile(file);
        return new VhdxImage(opened, VhdxStructure.Read(opened, VhdxHeaderPair.Read(opened)), parent, hadLog: false, options.NewGuid, memory);
    }

    private static VhdxImage OpenImage(VhdxFile file, ImageContext context)
    {
        var headers = VhdxHeaderPair.Read(file);
        if (context.Writable) headers.RequireUpdatable(file);
        var hadLog = VhdxLogReplay.Run(file, headers, context.Writable, context.Tables);
        var structure = VhdxStructure.Read(file, headers);
        var parent = structure.Metadata.Parent is { } locator ? OpenParent(file, structure, locator, context) : null;
        try
        {
            return new VhdxImage(file, structure, parent, hadLog, context.Writable ? Guid.NewGuid : null, context.Tables);
        }
        catch
        {
            parent?.Dispose();
            throw;
        }
    }

    private static VhdxImage OpenParent(VhdxFile file, VhdxStructure structure, VhdxParentLocator locator, ImageContext context)
    {
        // Windows paths: separators are turned round. An absolute one means nothing here but for its last part, looked for beside the child.
        var name = (locator.RelativePath ?? locator.AbsolutePath?.Split('\\')[^1])?.Replace('\\', '/')
            ?? throw file.Mismatch(structure.Regions.Metadata.Offset, "parent locator", "one with relative_path or absolute_win32_path", "one without either");
        var parent = (VhdxImage)context.OpenParent(file.File, name, ImageFormat.Vhdx);
        try
        {
            if (parent.DataWriteGuid != locator.Linkage && parent.DataWriteGuid != locator.Linkage2)
                throw file.Mismatch(structure.Regions.Metadata.Offset, "parent_linkage", $"{parent.DataWriteGuid}, which {name} has", $"{locator.Linkage}: it is another disk, or was written after this one was made");
            if (parent.SectorSize != structure.Metadata.LogicalSectorSize)
                throw file.Mismatch(structure.Regions.Metadata.Offset, "logical sector size", $"{parent.SectorSize}, the parent's", $"{structure.Metadata.LogicalSectorSize}");
            return parent;
        }
        catch
        {
            parent.Dispose();
            throw;
        }
    }
}
