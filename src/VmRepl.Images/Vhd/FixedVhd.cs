using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vhd;

/// <summary>A fixed disk ("Fixed Hard Disk Image"): the disk's bytes from the file's start on, then the footer. Written in place.</summary>
internal sealed class FixedVhd : VhdImage
{
    private VhdStamp? stamp;

    /// <param name="file">Owned.</param>
    /// <param name="footers">What was read from it.</param>
    /// <param name="stamp">Marks the first change; null to open for reading only.</param>
    /// <exception cref="ImageFormatException">The file is shorter than the disk.</exception>
    public FixedVhd(VhdFile file, VhdFooters footers, VhdStamp? stamp)
        : base(file, footers)
    {
        this.stamp = stamp;
        if (Length > footers.End) throw file.Mismatch(footers.End + 48, "Current Size", $"at most {footers.End}, the bytes before the footer", $"{Length}");
        Files = [file.File];
    }

    public override ImageDescription Description => new() { Details = Describe() };

    public override IReadOnlyList<IHostFile> Files { get; }

    public override bool IsReadOnly => stamp is null;

    private VhdStamp Stamp => stamp ?? throw new NotSupportedException($"{File.File.Path} is open for reading only");

    public override void Read(long offset, Span<byte> buffer)
    {
        RequireInside(offset, buffer.Length);
        File.Read(offset, buffer, "data");
    }

    public override void Write(long offset, ReadOnlySpan<byte> data)
    {
        RequireInside(offset, data.Length);
        Stamp.Mark();
        File.File.Write(offset, data);
    }

    public override void Punch(long offset, long length)
    {
        RequireInside(offset, length);
        Stamp.Mark();
        if (length > 0) File.File.Clear(offset, length);
    }

    public override void Flush() => File.File.Flush();

    public override void Resize(long length)
    {
        Stamp.Mark();
        VhdResize.Fixed(File, VhdFooters.Read(File), length);
        Footers = VhdFooters.Read(File);
        stamp = new VhdStamp(File, Footers, TimeProvider.System, isNew: false);
    }

    public override IEnumerable<MapExtent> Map(long offset, long length)
    {
        RequireInside(offset, length);
        return length == 0 ? [] : MapRuns.Coalesce(File.File.MapStored(new MapExtent(offset, length, BlockState.Data, 0, offset)));
    }

    public override IEnumerable<ImageFinding> Check()
    {
        if (Footers.End > Length) yield return new ImageFinding(false, $"{File.File.Path}: {Footers.End - Length} bytes between the disk and its footer are used by nothing");
    }

    public override void Dispose() => File.File.Dispose();
}
