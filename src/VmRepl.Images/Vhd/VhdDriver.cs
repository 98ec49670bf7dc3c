using VmRepl.Blocks.Files;
using VmRepl.Images.Opening;

namespace VmRepl.Images.Vhd;

/// <summary>VHD, as Microsoft's Virtual Hard Disk Image Format Specification describes it: fixed, dynamic and differencing ones, read and written.</summary>
internal sealed class VhdDriver : IImageDriver
{
    private static ReadOnlySpan<byte> BootSignature => [0x55, 0xAA];

    public ImageFormat Format => ImageFormat.Vhd;

    public bool Recognizes(ReadOnlySpan<byte> head) => head.StartsWith(VhdLayout.FooterCookie);

    /// <summary>
    /// A fixed disk has nothing but a footer, which anybody can write into the last sector of a disk: so every field that can be checked has to fit, the length to the byte.
    /// A dynamic or differencing one whose front copy is damaged has a sound header as well, where the footer says. A disk that such a file was once copied to, and that is in use again, has it too,
    /// as long as nothing but a boot sector was written over it: that signature in the first sector is a guest's, and the file a raw disk.
    /// </summary>
    public EndRecognition RecognizesEnd(ReadOnlySpan<byte> head, ReadOnlySpan<byte> tail, IHostFile file)
    {
        var (footer, bytes) = VhdFooters.FindLast(tail);
        if (footer is null) return EndRecognition.None;
        var end = file.Length - bytes;
        if (footer.Type == VhdType.Fixed)
            return footer.DataOffset is ulong.MaxValue or uint.MaxValue && footer.CurrentSize == (ulong)end ? EndRecognition.FormatBehindDisk : EndRecognition.None;
        var isBoot = head.Length >= VhdLayout.SectorBytes && head[(VhdLayout.SectorBytes - BootSignature.Length)..VhdLayout.SectorBytes].SequenceEqual(BootSignature);
        return footer.Type is VhdType.Dynamic or VhdType.Differencing && !isBoot && VhdHeader.IsAt(file, footer.DataOffset, end) ? EndRecognition.Format : EndRecognition.None;
    }

    public IDiskImage Open(IHostFile file, ImageContext context) => OpenImage(new VhdFile(file), context);

    public IDiskImage Create(IHostFile file, long length, ImageCreateOptions options, TableMemory memory) => Make(file, length, options, parent: null, memory);

    public IDiskImage CreateOverlay(IHostFile file, long length, ImageCreateOptions options, IDiskImage parent, TableMemory memory)
    {
        if (parent is not VhdImage behind) throw new NotSupportedException($"behind a differencing VHD is a VHD; {parent.Files[0].Path} is {parent.Format.Name()}");
        if (length != behind.Length) throw new NotSupportedException($"a differencing VHD is as long as its parent ({behind.Length} bytes), not {length}");
        return Make(file, length, options, behind, memory);
    }

    private static VhdImage Make(IHostFile file, long length, ImageCreateOptions options, VhdImage? parent, TableMemory memory)
    {
        var isFixed = options.Subformat == "fixed" && parent is null;
        if (!isFixed && options.Subformat is not (null or "dynamic")) throw new NotSupportedException($"a VHD of the subformat \"{options.Subformat}\" is not made here; dynamic and fixed are");
        VhdWriter.RequireSize(length, parent is null ? options.SectorSize : VhdLayout.SectorBytes);
        var now = VhdStamp.Now(TimeProvider.System);
        if (isFixed) VhdWriter.WriteFixed(file, length, options.NewGuid(), now);
        else VhdWriter.WriteBlocks(file, length, options.NewGuid(), now, parent, parent is null ? null : VhdParentName.For(file.Path, options.Backing!.Name));
        file.Flush();
        var opened = new VhdFile(file);
        var footers = VhdFooters.Read(opened);
        var stamp = new VhdStamp(opened, footers, TimeProvider.System, isNew: true);
        return isFixed ? new FixedVhd(opened, footers, stamp) : new BlockVhd(VhdStructure.Read(opened, footers), parent, stamp, memory);
    }

    private static VhdImage OpenImage(VhdFile file, ImageContext context)
    {
        var footers = VhdFooters.Read(file);
        var stamp = context.Writable ? new VhdStamp(file, footers, TimeProvider.System, isNew: false) : null;
        if (footers.Current.Type == VhdType.Fixed) return new FixedVhd(file, footers, stamp);
        var structure = VhdStructure.Read(file, footers);
        var parent = structure.IsDifferencing ? VhdLinkage.OpenParent(structure, context) : null;
        try
        {
            return new BlockVhd(structure, parent, stamp, context.Tables);
        }
        catch
        {
            parent?.Dispose();
            throw;
        }
    }
}
