using VmRepl.Blocks;
using VmRepl.Blocks.Files;
using VmRepl.Images.Opening;

namespace VmRepl.Images.Vmdk;

/// <summary>Opens one VMDK disk: the file given, what its descriptor names as extents, and the parent of a delta. What was opened besides the file given is closed again if any of it fails.</summary>
internal sealed class VmdkOpening(IHostFile file, ImageContext context)
{
    private const string OfADisk = "that of a sparse disk or of a descriptor";

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
            if (head.StartsWith(VmdkLayout.CowMagic)) throw Mismatch("magic", OfADisk, "\"COWD\", that of one extent of a vmfsSparse disk; open the disk's descriptor file");
            if (head.StartsWith(VmdkLayout.SeSparseMagic)) throw Mismatch("magic", OfADisk, "that of one extent of an seSparse disk; open the disk's descriptor file");
            if (head.StartsWith(VmdkLayout.ChangeTrackingMagic)) throw Mismatch("magic", OfADisk, "that of VMware's change tracking, which is no disk and has no public layout");
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
            throw Mismatch("descriptorOffset", "above 0 in a disk of one file", "0, as in one extent of a split disk; open the disk's descriptor file");
        if (header.DescriptorSectors > VmdkLayout.DescriptorBytesMax / VmdkLayout.SectorBytes) throw Mismatch("descriptorSize", $"at most {VmdkLayout.DescriptorBytesMax / VmdkLayout.SectorBytes} sectors", $"{header.DescriptorSectors}");
        var at = header.DescriptorSector * VmdkLayout.SectorBytes;
        var (descriptor, text) = ReadDescriptor(at, (int)(header.DescriptorSectors * VmdkLayout.SectorBytes));
        var (isPlain, isStream) = (Is(descriptor, "monolithicSparse"), Is(descriptor, "streamOptimized"));
        if (!isPlain && !isStream) throw Mismatch("descriptor createType", "monolithicSparse or streamOptimized inside a sparse extent", $"\"{descriptor.CreateType}\"");
        if (descriptor.Extents is not [{ Type: "SPARSE" } line]) throw Mismatch("descriptor extents", "one of type SPARSE in a monolithic disk", $"{descriptor.Extents.Count}, the first of type {descriptor.Extents[0].Type}");
        if (line.Sectors > header.CapacitySectors) throw Mismatch("descriptor extents", $"of at most {header.CapacitySectors} sectors, the header's capacity", $"of {line.Sectors}");
        RequireAccess(line);
        OpenParent(descriptor);
        var extent = Sparse(file, header, 0, header.CapacitySectors * VmdkLayout.SectorBytes);
        return new VmdkImage(file, descriptor, [extent], files, parent, ContentId(descriptor, at, text));
    }

    private VmdkImage OpenText()
    {
        if (file.Length > VmdkLayout.DescriptorBytesMax) throw Mismatch("descriptor", $"of at most {VmdkLayout.DescriptorBytesMax} bytes", $"of {file.Length}");
        var (descriptor, text) = ReadDescriptor(0, (int)file.Length);
        if (!TextTypes.Any(t => Is(descriptor, t))) throw Mismatch("descriptor createType", $"one of {string.Join(", ", TextTypes)}", $"\"{descriptor.CreateType}\"");
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
                    throw ImageFormatException.Mismatch(flat.Path, -1, "flat extent", $"of {length} bytes from {offset} on, as {file.Path} names it", $"of {flat.Length} bytes in all");
                return new FlatExtent(flat, offset, start, length);
            case "SPARSE" or "VMFSSPARSE" or "SESPARSE":
                return OpenGrains(line, start, length);
            default:
                throw Mismatch("descriptor extent type", "ZERO, FLAT, VMFS, SPARSE, VMFSSPARSE or SESPARSE", line.Type);
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
            if (got < head.Length) throw ImageFormatException.Mismatch(sparse.Path, 0, "sparse header", $"of {head.Length} bytes", $"cut: the file ends at {got}");
            if (context.Writable) throw ImageFormatException.Mismatch(sparse.Path, 0, "magic", "that of an extent that can be written", $"that of {(line.Type == "SESPARSE" ? "an seSparse" : "a vmfsSparse")} extent, which is only read");
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
            if (sectors < line.Sectors) throw ImageFormatException.Mismatch(sparse.Path, field, "capacity", $"at least the {line.Sectors} sectors that {file.Path} names", $"{sectors}");
        }
    }

    private SparseExtent Sparse(IHostFile sparse, SparseHeader header, long start, long length)
    {
        if (context.Writable && header.IsCompressed) throw ImageFormatException.Mismatch(sparse.Path, 77, "compressAlgorithm", "0 in an extent that is written", "1: a compressed extent cannot be written in place");
        if (context.Writable && header.Version > 2) throw ImageFormatException.Mismatch(sparse.Path, 4, "version", "at most 2 in an extent that is written", $"{header.Version}");
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
        var hint = descriptor.ParentHint ?? throw Mismatch("descriptor parentFileNameHint", "there where parentCID is set", "missing");
        // A Windows path means nothing here but for its last part, looked for beside the delta.
        if (hint.Contains('\\', StringComparison.Ordinal)) hint = hint.Split('\\')[^1];
        parent = (VmdkImage)context.OpenParent(file, hint, ImageFormat.Vmdk);
        if (parent.Cid != descriptor.ParentCid)
            throw Mismatch("descriptor parentCID", $"{parent.Cid:x8}, the CID of {hint}", $"{descriptor.ParentCid:x8}: that is another disk, or was written after this delta was made");
    }

    private static SparseHeader ReadHeader(IHostFile from, ReadOnlySpan<byte> head)
    {
        if (head.Length < VmdkLayout.SectorBytes) throw ImageFormatException.Mismatch(from.Path, 0, "sparse header", $"of {VmdkLayout.SectorBytes} bytes", $"cut: the file ends at {from.Length}");
        var header = SparseHeader.Parse(from.Path, 0, head, from.Length);
        if (header.DirectorySector >= 0) return header;
        // A stream could not know where its directory would be: the footer, last but one sector, does.
        var at = from.Length - (2 * VmdkLayout.SectorBytes);
        var footer = new byte[VmdkLayout.SectorBytes];
        if (at < VmdkLayout.SectorBytes || from.Read(at, footer) < footer.Length) throw ImageFormatException.Mismatch(from.Path, 56, "gdOffset", "a sector in a file that is too short for a footer", "the sign that there is one");
        var atEnd = SparseHeader.Parse(from.Path, at, footer, from.Length);
        if (atEnd.DirectorySector < 0) throw ImageFormatException.Mismatch(from.Path, at + 56, "gdOffset", "a sector in the footer", "the sign that there is a footer: the stream is incomplete");
        if (atEnd.CapacitySectors != header.CapacitySectors || atEnd.GrainSectors != header.GrainSectors)
            throw ImageFormatException.Mismatch(from.Path, at, "footer", $"of {header.CapacitySectors} sectors in grains of {header.GrainSectors}, as the header", $"of {atEnd.CapacitySectors} in grains of {atEnd.GrainSectors}");
        return atEnd with { DescriptorSector = header.DescriptorSector, DescriptorSectors = header.DescriptorSectors };
    }

    private (VmdkDescriptor Descriptor, byte[] Text) ReadDescriptor(long at, int length)
    {
        var text = new byte[length];
        var got = file.Read(at, text);
        if (got < length) throw ImageFormatException.Mismatch(file.Path, at + got, "descriptor", $"of {length} bytes", $"cut: the file ends at {at + got}");
        return (VmdkDescriptor.Parse(file.Path, at, text), text);
    }

    private VmdkContentId? ContentId(VmdkDescriptor descriptor, long at, byte[] text)
    {
        if (!context.Writable) return null;
        if (descriptor.ChangeTrackPath is { } tracking)
            throw Mismatch("descriptor changeTrackPath", "absent in a disk that is written, since VMware's change tracking cannot be kept up", $"\"{tracking}\"");
        return new VmdkContentId(file, at, text, descriptor.Cid, Guid.NewGuid);
    }

    private void RequireAccess(VmdkExtentLine line)
    {
        if (line.Access == "NOACCESS") throw Mismatch("descriptor extent access", "RW or RDONLY", "NOACCESS");
        if (line.Access == "RDONLY" && context.Writable) throw Mismatch("descriptor extent access", "RW in a disk that is written", "RDONLY");
    }

    private static bool Is(VmdkDescriptor descriptor, string type) => string.Equals(descriptor.CreateType, type, StringComparison.OrdinalIgnoreCase);

    private ImageFormatException Mismatch(string field, string expected, string found) => ImageFormatException.Mismatch(file.Path, -1, field, expected, found);
}
