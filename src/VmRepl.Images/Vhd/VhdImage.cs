using System.Globalization;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Images.Vhd;

/// <summary>An open VHD of any type: what all of them have.</summary>
internal abstract class VhdImage(VhdFile file, VhdFooters footers) : IDiskImage
{
    public ImageFormat Format => ImageFormat.Vhd;

    public abstract ImageDescription Description { get; }

    public abstract IReadOnlyList<IHostFile> Files { get; }

    public virtual IDiskImage? Parent => null;

    public long Length => (long)Footers.Current.CurrentSize;

    public int SectorSize => VhdLayout.SectorBytes;

    public abstract bool IsReadOnly { get; }

    /// <summary>"Unique Id": a child names its parent's.</summary>
    public Guid UniqueId => Footers.Current.UniqueId;

    /// <summary>"Time Stamp", seconds since <see cref="VhdLayout.Epoch"/>. Moved on before the contents are changed here, so that a child made before can be told.</summary>
    public uint TimeStamp => Footers.Current.TimeStamp;

    protected VhdFile File => file;

    protected VhdFooters Footers { get; set; } = footers;

    public abstract void Read(long offset, Span<byte> buffer);

    public abstract void Write(long offset, ReadOnlySpan<byte> data);

    public void Zero(long offset, long length) => Punch(offset, length);

    public abstract void Punch(long offset, long length);

    public abstract void Flush();

    public abstract void Resize(long length);

    public abstract IEnumerable<MapExtent> Map(long offset, long length);

    public abstract IEnumerable<ImageFinding> Check();

    public abstract void Dispose();

    /// <summary>The facts of the footer.</summary>
    protected Dictionary<string, string> Describe()
    {
        var details = new Dictionary<string, string>
        {
            ["subformat"] = Footers.Current.Type switch { VhdType.Fixed => "fixed", VhdType.Dynamic => "dynamic", _ => "differencing" },
            ["creator-application"] = Footers.Current.Creator,
            ["unique-id"] = UniqueId.ToString(),
        };
        // What Virtual PC, and QEMU for some creators, show of the disk.
        if (Footers.Current.Geometry.Bytes != Length) details["geometry-size"] = Footers.Current.Geometry.Bytes.ToString(CultureInfo.InvariantCulture);
        if (Footers.Current.IsSavedState) details["saved-state"] = "true";
        if (!Footers.IsEndSound) details["footer"] = "damaged, its copy at the front is used";
        return details;
    }

    protected void RequireInside(long offset, long length) => DiskRange.RequireInside(this, file.File.Path, offset, length);
}
