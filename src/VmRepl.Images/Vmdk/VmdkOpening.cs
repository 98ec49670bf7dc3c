using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Images.Opening;

namespace VmRepl.Images.Vmdk;

/// <summary>Opens one VMDK disk: the file given, what its descriptor names as extents, and the parent of a delta. What was opened besides the file given is closed again if any of it fails.</summary>
internal sealed class VmdkOpening(IHostFile file, ImageContext context)
{
    private static readonly string[] TextTypes =
    [
        "monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat", "2GbMaxExtentSparse", "2GbMaxExtentFlat",
        "vmfs", "vmfsThin", "vmfsPreallocated", "vmfsEagerZeroedThick", "vmfsSparse", "seSparse", "monolithicSparse", "streamOptimized", "custom",
    ];

    private readonly List<IHostFile> files = [file];
    private VmdkImage? parent;

    public VmdkImage Open()
    {
        try
        {
            Span<byte> head = stackalloc byte[VmdkLayout.SectorBytes];
            head = head[..file.Read(0, head)];
            if (head.StartsWith(VmdkLayout.SparseMagic)) return OpenSparse(head);
            if (head.StartsWith(VmdkLayout.CowMagic)) throw Bad("magic", "is \"COWD\": this is one extent of a vmfsSparse disk; open the disk's descriptor file");
            if (head.StartsWith(VmdkLayout.SeSparseMagic)) throw Bad("magic", "is that of one extent of an seSparse disk; open the disk's descriptor file");
            if (head.StartsWith(VmdkLayout.ChangeTrackingMagic)) throw Bad("magic", "is that of VMware's change tracking, which is no disk and has no public layout");
            return OpenText();
        }
        catch
        {
            foreach (var opened in files[1..]) opened.Dispose();
            parent?.Dispose();
            throw;
        }
    }

    private VmdkImage OpenSparse(ReadOnlySpan<byte> head)
    {
        var header = ReadHeader(file, head);
        if (header.DescriptorSector == 0 || header.DescriptorSectors == 0)
            throw Bad("descriptorOffset", "is zero: this is one extent of a split disk; open the disk's descriptor file");
        if (header.DescriptorSectors > VmdkLayout.DescriptorBytesMax / VmdkLayout.SectorBytes) throw Bad("descriptorSize", $"is {header.DescriptorSectors} sectors, at most 1 MiB is read");
        var at = header.DescriptorSector * VmdkLayout.SectorBytes;
        var (descriptor, text) = ReadDescriptor(at, (int)(header.DescriptorSectors * VmdkLayout.SectorBytes));
        var (isPlain, isStream) = (Is(descriptor, "monolithicSparse"), Is(descriptor, "streamOptimized"));
        if (!isPlain && !isStream) throw Bad("descriptor createType", $"is \"{descriptor.CreateType}\" inside a sparse extent; monolithicSparse and streamOptimized are supported");
        if (descriptor.Extents is not [{ Type: "SPARSE" } line]) throw Bad("descriptor extents", "a monolithic disk has one SPARSE extent");
        if (line.Sectors > header.CapacitySectors) throw Bad("descriptor extents", $"the extent has {line.Sectors} sectors, its header {header.CapacitySectors}");
        RequireAccess(line);
        OpenParent(descriptor);
        var extent = Sparse(file, header, 0, header.CapacitySectors * VmdkLayout.SectorBytes);
        return new VmdkImage(file, descriptor, [extent], files, parent, ContentId(descriptor, at, text));
    }

    private VmdkImage OpenText()
    {
        if (file.Length > VmdkLayout.DescriptorBytesMax) throw Bad("descriptor", $"has {file.Length} bytes, at most {VmdkLayout.DescriptorBytesMax} are read");
        var (descriptor, text) = ReadDescriptor(0, (int)file.Length);
        if (!TextTypes.Any(t => Is(descriptor, t))) throw Bad("descriptor createType", $"is \"{descriptor.CreateType}\", which is not supported");
        OpenParent(descriptor);
        var extents = new List<VmdkExtent>();
        foreach (var line in descriptor.Extents) extents.Add(OpenExtent(line, extents.Count == 0 ? 0 : extents[^1].End));
        return new VmdkImage(file, descriptor, extents, files, parent, ContentId(descriptor, 0, text));
    }

    private VmdkExtent OpenExtent(VmdkExtentLine line, long start)
    {
        RequireAccess(line);
        var length = line.Sectors * VmdkLayout.SectorBytes;
        switch (line.Type)
        {
            case "ZERO":
                return new ZeroExtent(file.Path, start, length);
            case "FLAT" or "VMFS":
                var flat = OpenPart(line);
                var offset = line.OffsetSectors * VmdkLayout.SectorBytes;
                if (offset > flat.Length || length > flat.Length - offset)
                    throw new ImageFormatException(flat.Path, -1, "flat extent", $"{length} bytes at {offset} are named by {file.Path}, the file has {flat.Length}");
                return new FlatExtent(flat, offset, start, length);
            case "SPARSE" or "VMFSSPARSE" or "SESPARSE":
                return OpenGrains(line, start, length);
            default:
                throw Bad("descriptor extent type", $"is {line.Type}, which is not supported");
        }
    }

    /// <summary>An extent of grains. Its own first bytes say of which kind: descriptors of VMware's own tools name COWD files by either word.</summary>
    private GrainExtent OpenGrains(VmdkExtentLine line, long start, long length)
    {
        var sparse = OpenPart(line);
        var head = new byte[VmdkLayout.SectorBytes];
        var got = sparse.Read(0, head);
        if (line.Type == "SESPARSE" || head.AsSpan().StartsWith(VmdkLayout.CowMagic))
        {
            if (got < head.Length) throw new ImageFormatException(sparse.Path, 0, "sparse header", $"needs {head.Length} bytes, the file has {got}");
            if (context.Writable) throw new ImageFormatException(sparse.Path, 0, "magic", $"is that of {(line.Type == "SESPARSE" ? "an seSparse" : "a vmfsSparse")} extent, which is only read");
        }

        if (line.Type == "SESPARSE")
        {
            var sesparse = SeSparseHeader.Read(sparse, head);
            RequireCapacity(sesparse.CapacitySectors, 16);
            return new SeSparseExtent(sparse, sesparse, start, length, parent, context.Tables);
        }

        if (head.AsSpan().StartsWith(VmdkLayout.CowMagic))
        {
            var cow = CowHeader.Parse(sparse.Path, head, sparse.Length);
            RequireCapacity(cow.CapacitySectors, 12);
            return new CowExtent(sparse, cow, start, length, parent, context.Tables);
        }

        var header = ReadHeader(sparse, head.AsSpan(0, got));
        RequireCapacity(header.CapacitySectors, 12);
        return Sparse(sparse, header, start, length);

        void RequireCapacity(long sectors, int field)
        {
            if (sectors < line.Sectors) throw new ImageFormatException(sparse.Path, field, "capacity", $"is {sectors} sectors, {file.Path} names {line.Sectors}");
        }
    }

    private SparseExtent Sparse(IHostFile sparse, SparseHeader header, long start, long length)
    {
        if (context.Writable && header.IsCompressed) throw new ImageFormatException(sparse.Path, 77, "compressAlgorithm", "is set: a compressed extent cannot be written in place");
        if (context.Writable && header.Version > 2) throw new ImageFormatException(sparse.Path, 4, "version", $"is {header.Version}, written only up to 2");
        return new SparseExtent(sparse, header, start, length, parent, context.Tables, context.Writable);
    }

    private IHostFile OpenPart(VmdkExtentLine line)
    {
        var part = context.OpenPart(file, line.FileName.Replace('\\', '/'));
        files.Add(part);
        return part;
    }

    private void OpenParent(VmdkDescriptor descriptor)
    {
        if (!descriptor.HasParent) return;
        var hint = descriptor.ParentHint ?? throw Bad("descriptor parentFileNameHint", "is missing, and parentCID is set");
        // A Windows path means nothing here but for its last part, looked for beside the delta.
        if (hint.Contains('\\', StringComparison.Ordinal)) hint = hint.Split('\\')[^1];
        parent = (VmdkImage)context.OpenParent(file, hint, ImageFormat.Vmdk);
        if (parent.Cid != descriptor.ParentCid)
            throw Bad("descriptor parentCID", $"is {descriptor.ParentCid:x8}, {hint} has CID {parent.Cid:x8}: it is another disk, or was written after this delta was made");
    }

    private static SparseHeader ReadHeader(IHostFile from, ReadOnlySpan<byte> head)
    {
        if (head.Length < VmdkLayout.SectorBytes) throw new ImageFormatException(from.Path, 0, "sparse header", $"needs {VmdkLayout.SectorBytes} bytes, the file has {from.Length}");
        var header = SparseHeader.Parse(from.Path, 0, head, from.Length);
        if (header.DirectorySector >= 0) return header;
        // A stream could not know where its directory would be: the footer, last but one sector, does.
        var at = from.Length - (2 * VmdkLayout.SectorBytes);
        var footer = new byte[VmdkLayout.SectorBytes];
        if (at < VmdkLayout.SectorBytes || from.Read(at, footer) < footer.Length) throw new ImageFormatException(from.Path, 56, "gdOffset", "says that there is a footer, and the file is too short for one");
        var atEnd = SparseHeader.Parse(from.Path, at, footer, from.Length);
        if (atEnd.DirectorySector < 0) throw new ImageFormatException(from.Path, at + 56, "gdOffset", "the footer names no grain directory: the stream is incomplete");
        if (atEnd.CapacitySectors != header.CapacitySectors || atEnd.GrainSectors != header.GrainSectors)
            throw new ImageFormatException(from.Path, at, "footer", "differs from the header in capacity or grain size");
        return atEnd with { DescriptorSector = header.DescriptorSector, DescriptorSectors = header.DescriptorSectors };
    }

    private (VmdkDescriptor Descriptor, byte[] Text) ReadDescriptor(long at, int length)
    {
        var text = new byte[length];
        var got = file.Read(at, text);
        if (got < length) throw new ImageFormatException(file.Path, at + got, "descriptor", "the file ends inside it");
        return (VmdkDescriptor.Parse(file.Path, at, text), text);
    }

    private VmdkContentId? ContentId(VmdkDescriptor descriptor, long at, byte[] text)
    {
        if (!context.Writable) return null;
        if (descriptor.ChangeTrackPath is { } tracking)
            throw Bad("descriptor changeTrackPath", $"is \"{tracking}\": VMware's change tracking cannot be kept up, so the disk is not written");
        return new VmdkContentId(file, at, text, descriptor.Cid, Guid.NewGuid);
    }

    private void RequireAccess(VmdkExtentLine line)
    {
        if (line.Access == "NOACCESS") throw Bad("descriptor extent access", "is NOACCESS");
        if (line.Access == "RDONLY" && context.Writable) throw Bad("descriptor extent access", "is RDONLY, the disk cannot be written");
    }

    private static bool Is(VmdkDescriptor descriptor, string type) => string.Equals(descriptor.CreateType, type, StringComparison.OrdinalIgnoreCase);

    private ImageFormatException Bad(string field, string problem) => new(file.Path, -1, field, problem);
}
