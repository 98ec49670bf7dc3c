using System.Globalization;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Images.Changes;

namespace VmRepl.Images.Vmdk;

/// <summary>An open VMDK disk: its descriptor and its extents, one behind the other, and the parent of a delta.</summary>
internal sealed class VmdkImage : IDiskImage
{
    private static readonly string[] ResizableTypes = ["monolithicSparse", "monolithicFlat", "vmfs"];

    private readonly IHostFile file;
    private readonly VmdkDescriptor descriptor;
    private readonly VmdkExtent[] extents;
    private readonly VmdkImage? parent;
    private readonly VmdkContentId? contentId;

    /// <param name="file">The file that holds the descriptor.</param>
    /// <param name="descriptor">What it says.</param>
    /// <param name="extents">In order, without a gap, at least one.</param>
    /// <param name="files">Every file of the disk, <paramref name="file"/> first; owned.</param>
    /// <param name="parent">What is behind a delta; owned.</param>
    /// <param name="contentId">Changes the CID when the first write comes; null to open for reading only.</param>
    public VmdkImage(IHostFile file, VmdkDescriptor descriptor, IEnumerable<VmdkExtent> extents, IReadOnlyList<IHostFile> files, VmdkImage? parent, VmdkContentId? contentId)
    {
        this.file = file;
        this.descriptor = descriptor;
        this.extents = [.. extents];
        this.parent = parent;
        this.contentId = contentId;
        OwnFiles = files;
        Files = parent is null ? files : [.. files, .. parent.Files];
    }

    public ImageFormat Format => ImageFormat.Vmdk;

    public ImageDescription Description
    {
        get
        {
            var details = new Dictionary<string, string>
            {
                ["create-type"] = descriptor.CreateType,
                ["cid"] = Cid.ToString("x8", CultureInfo.InvariantCulture),
                ["extents"] = extents.Length.ToString(CultureInfo.InvariantCulture),
            };
            // VMware's own tracking file has no public layout: it is named, and nothing is taken from it.
            if (descriptor.ChangeTrackPath is { } tracking) details["change-track-path"] = tracking;
            return new ImageDescription
            {
                ClusterSize = extents.OfType<GrainExtent>().FirstOrDefault()?.GrainBytes,
                BackingFile = descriptor.HasParent ? descriptor.ParentHint : null,
                BackingFormat = descriptor.HasParent ? ImageFormat.Vmdk : null,
                Details = details,
            };
        }
    }

    public IReadOnlyList<IHostFile> Files { get; }

    public IReadOnlyList<IChangeTrack> ChangeTracks => descriptor.ChangeTrackPath is { } tracking ? [new TrackingFile(file.Path, tracking)] : [];

    public IDiskImage? Parent => parent;

    public long Length => extents[^1].End;

    public int SectorSize => VmdkLayout.SectorBytes;

    public bool IsReadOnly => contentId is null;

    /// <summary>The content identifier as it stands in the file.</summary>
    public uint Cid => contentId?.Current ?? descriptor.Cid;

    private IReadOnlyList<IHostFile> OwnFiles { get; }

    public void Read(long offset, Span<byte> buffer)
    {
        RequireInside(offset, buffer.Length);
        foreach (var (extent, part) in Split(offset, buffer.Length)) extent.Read(part.Offset - extent.Start, buffer.Slice((int)(part.Offset - offset), (int)part.Length));
    }

    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        RequireInside(offset, data.Length);
        Begin();
        foreach (var (extent, part) in Split(offset, data.Length)) extent.Write(part.Offset - extent.Start, data.Slice((int)(part.Offset - offset), (int)part.Length));
    }

    public void Zero(long offset, long length) => Punch(offset, length);

    public void Punch(long offset, long length)
    {
        RequireInside(offset, length);
        Begin();
        foreach (var (extent, part) in Split(offset, length)) extent.Punch(part.Offset - extent.Start, part.Length);
    }

    public void Flush()
    {
        foreach (var extent in extents) extent.Flush();
    }

    /// <summary>
    /// Makes a disk of one extent longer: first the extent, then, in one sector, the descriptor's line for it. Between the two a monolithicSparse disk has its header's size, the new one;
    /// a flat one its descriptor's, the old one.
    /// </summary>
    public void Resize(long length)
    {
        if (contentId is null) throw new NotSupportedException($"{file.Path} is open for reading only");
        VmdkWriter.RequireSize(length, VmdkLayout.SectorBytes);
        if (parent is not null) throw new NotSupportedException($"{file.Path}: a VMDK delta is as long as its parent");
        if (length < Length) throw new NotSupportedException($"{file.Path}: a VMDK cannot become shorter");
        if (extents.Length != 1 || descriptor.Extents.Count != 1 || !ResizableTypes.Contains(descriptor.CreateType, StringComparer.OrdinalIgnoreCase))
            throw new NotSupportedException($"{file.Path}: a VMDK of type {descriptor.CreateType} with {extents.Length} extents cannot be resized; {string.Join(", ", ResizableTypes)} with one extent can");
        Begin();
        extents[0].Flush();
        extents[0].Close();
        var room = contentId.DescriptorOffset > 0 && extents[0] is SparseExtent sparse ? sparse.DescriptorBytes : VmdkLayout.DescriptorBytesMax;
        var text = new byte[Math.Min(room, file.Length - contentId.DescriptorOffset)];
        file.ReadExactly(contentId.DescriptorOffset, text);
        // Known to be possible before anything is changed.
        var edit = DescriptorEdit.Of(file.Path, contentId.DescriptorOffset, room, text, length / VmdkLayout.SectorBytes);
        extents[0] = extents[0].Grown(length);
        file.Write(edit.FileOffset, edit.Bytes);
        file.Flush();
    }

    public IEnumerable<MapExtent> Map(long offset, long length)
    {
        RequireInside(offset, length);
        return MapRuns.Coalesce(Split(offset, length).SelectMany(p => p.Extent.Map(p.Part.Offset - p.Extent.Start, p.Part.Length)));
    }

    public IEnumerable<ImageFinding> Check() => [.. extents.SelectMany(e => e.Check()), .. parent?.Check() ?? []];

    public void Dispose()
    {
        try
        {
            if (!IsReadOnly)
                foreach (var extent in extents) extent.Close();
        }
        finally
        {
            foreach (var own in OwnFiles) own.Dispose();
            parent?.Dispose();
        }
    }

    /// <summary>The extents that a range touches, with the part in each.</summary>
    private IEnumerable<(VmdkExtent Extent, Extent Part)> Split(long offset, long length)
    {
        int low = 0, high = extents.Length - 1;
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (extents[middle].End > offset) high = middle;
            else low = middle + 1;
        }

        for (var end = offset + length; offset < end; low++)
        {
            var stop = Math.Min(end, extents[low].End);
            yield return (extents[low], Extent.FromEnds(offset, stop));
            offset = stop;
        }
    }

    private void Begin() => (contentId ?? throw new NotSupportedException($"{file.Path} is open for reading only")).ChangeOnce();

    private void RequireInside(long offset, long length) => DiskRange.RequireInside(this, file.Path, offset, length);
}
