using VmRepl.Blocks.Files;
using VmRepl.Images.Opening;

namespace VmRepl.Images.Vmdk;

/// <summary>VMDK, as VMware's Virtual Disk Format 5.0 describes it: monolithic and split, sparse and flat ones are read and written, deltas too; streamOptimized ones are read, and written from start to end; vmfsSparse and seSparse ones are read.</summary>
internal sealed class VmdkDriver : IImageDriver
{
    public ImageFormat Format => ImageFormat.Vmdk;

    public bool Recognizes(ReadOnlySpan<byte> head) =>
        head.StartsWith(VmdkLayout.SparseMagic) || head.StartsWith(VmdkLayout.CowMagic) || head.StartsWith(VmdkLayout.SeSparseMagic)
        || head.StartsWith(VmdkLayout.ChangeTrackingMagic)
        || DescriptorProbe.Recognizes(head);

    public IDiskImage Open(IHostFile file, ImageContext context) => new VmdkOpening(file, context).Open();

    public IDiskImage Create(IHostFile file, long length, ImageCreateOptions options, TableMemory memory)
    {
        VmdkWriter.RequireSize(length, options.SectorSize);
        return options.Subformat switch
        {
            null or "monolithicSparse" => Write(file, length, options, parent: null, memory),
            "streamOptimized" => new StreamOptimizedImage(file, length, options.NewGuid),
            var kind => throw new NotSupportedException($"a VMDK of the subformat \"{kind}\" is not made here; monolithicSparse and streamOptimized are"),
        };
    }

    public IDiskImage CreateOverlay(IHostFile file, long length, ImageCreateOptions options, IDiskImage parent, TableMemory memory)
    {
        if (parent is not VmdkImage behind) throw new NotSupportedException($"behind a VMDK delta is a VMDK; {parent.Files[0].Path} is {parent.Format.Name()}");
        if (length != behind.Length) throw new NotSupportedException($"a VMDK delta is as long as its parent ({behind.Length} bytes), not {length}");
        if (options.Subformat is not (null or "monolithicSparse")) throw new NotSupportedException($"a VMDK delta is monolithicSparse, not {options.Subformat}");
        VmdkWriter.RequireSize(length, VmdkLayout.SectorBytes);
        return Write(file, length, options, behind, memory);
    }

    private static VmdkImage Write(IHostFile file, long length, ImageCreateOptions options, VmdkImage? parent, TableMemory memory)
    {
        var (header, text) = VmdkWriter.Write(file, length, options.NewGuid, parent is null ? null : (options.Backing!.Name, parent.Cid));
        var at = header.DescriptorSector * VmdkLayout.SectorBytes;
        var descriptor = VmdkDescriptor.Parse(file.Path, at, text);
        var contentId = new VmdkContentId(file, at, text, descriptor.Cid, options.NewGuid);
        contentId.MarkChanged();
        return new VmdkImage(file, descriptor, [new SparseExtent(file, header, 0, length, parent, memory, writable: true, isNew: true)], [file], parent, contentId);
    }
}
