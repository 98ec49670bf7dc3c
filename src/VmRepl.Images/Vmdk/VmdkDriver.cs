using System.Text;
using VmRepl.Blocks.Files;
using VmRepl.Images.Opening;

namespace VmRepl.Images.Vmdk;

/// <summary>VMDK, as VMware's Virtual Disk Format 5.0 describes it: monolithic and split, sparse and flat ones are read and written; streamOptimized, vmfsSparse and seSparse ones and deltas read.</summary>
internal sealed class VmdkDriver : IImageDriver
{
    public ImageFormat Format => ImageFormat.Vmdk;

    public bool Recognizes(ReadOnlySpan<byte> head) =>
        head.StartsWith(VmdkLayout.SparseMagic) || head.StartsWith(VmdkLayout.CowMagic) || head.StartsWith(VmdkLayout.SeSparseMagic)
        || head.StartsWith(VmdkLayout.ChangeTrackingMagic)
        || (head.Length >= VmdkLayout.DescriptorMagic.Length && Ascii.EqualsIgnoreCase(head[..VmdkLayout.DescriptorMagic.Length], VmdkLayout.DescriptorMagic));

    public IDiskImage Open(IHostFile file, ImageContext context) => new VmdkOpening(file, context).Open();

    public IDiskImage Create(IHostFile file, long length, ImageCreateOptions options)
    {
        try
        {
            VmdkWriter.RequireSize(length, options.SectorSize);
            var (header, text) = VmdkWriter.Write(file, length, options.NewGuid);
            var at = header.DescriptorSector * VmdkLayout.SectorBytes;
            var descriptor = VmdkDescriptor.Parse(file.Path, at, text);
            var contentId = new VmdkContentId(file, at, text, descriptor.Cid, options.NewGuid);
            contentId.MarkChanged();
            return new VmdkImage(file, descriptor, [new SparseExtent(file, header, 0, length, null, writable: true, isNew: true)], [file], null, contentId);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }
}
