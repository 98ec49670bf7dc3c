using VmRepl.Blocks;
using VmRepl.Images;
using VmRepl.Protocol.Records;
using VmRepl.Replication.Source.Tracking;

namespace VmRepl.Replication.Source.Following;

/// <summary>One disk that is followed: its image, what is marked of it, and who works where in it.</summary>
/// <param name="disk">What is protected.</param>
/// <param name="image">The local image, open for writing. Not owned.</param>
/// <param name="marks">Not owned.</param>
/// <param name="comparesFirst">Whether the marks cannot be trusted to be exact: what is marked is compared by digests before it is sent.</param>
internal sealed class FollowedDisk(SourceDisk disk, IBlockDevice image, DirtyRegionLog marks, bool comparesFirst)
{
    private volatile FrozenContents? frozen;

    public SourceDisk Disk { get; } = disk;

    public IBlockDevice Image { get; } = image;

    public DirtyRegionLog Marks { get; } = marks;

    public RangeLocks Ranges { get; } = new();

    /// <summary>What has yet to be brought over. Under the stream's lock, as the next two.</summary>
    public ChunkSet ToCopy { get; } = new(disk.Length);

    /// <summary>The part of <see cref="ToCopy"/> that digests decide about. Nothing of it was sent since the link was made.</summary>
    public ChunkSet ToCompare { get; } = new(disk.Length);

    /// <summary>Regions that are being compared: a write into one makes its comparison worthless.</summary>
    public List<RegionWatch> Watches { get; } = [];

    /// <summary>Whether the next link compares by digests what is marked.</summary>
    public bool ComparesFirst { get; set; } = comparesFirst;

    /// <summary>What the disk held at the place of a clone that is being copied; null where none is. Put up while no change is under way.</summary>
    public FrozenContents? Frozen
    {
        get => frozen;
        set => frozen = value;
    }

    /// <summary>Carries a change out on the image. The range is held.</summary>
    /// <exception cref="IOException">The image failed: what the range holds now is not known.</exception>
    public void Apply(RecordKind kind, Extent extent, ReadOnlySpan<byte> data)
    {
        Frozen?.Keep(extent);
        switch (kind)
        {
            case RecordKind.Write:
                Image.Write(extent.Offset, data);
                break;
            case RecordKind.Zero:
                Image.Zero(extent.Offset, extent.Length);
                break;
            default:
                Image.Punch(extent.Offset, extent.Length);
                break;
        }

        // What is answered is in the file, and images with tables keep changes of these in memory until they are flushed. Most writes of a disk that has its blocks change none.
        if ((Image as IDiskImage)?.HasUnwritten ?? Disk.Format != ImageFormat.Raw) Image.Flush();
    }

    /// <summary>A link is there: what is marked is to be brought over. Under the stream's lock, as the next three.</summary>
    public void CopyWhatIsMarked(bool isBaseline)
    {
        CopyNothing();
        foreach (var extent in Marks.Dirty(new Extent(0, Disk.Length)).Extents)
        {
            ToCopy.Add(extent);
            if (ComparesFirst || isBaseline) ToCompare.Add(extent);
        }
    }

    /// <summary>The link is gone; what is marked stays marked.</summary>
    public void CopyNothing()
    {
        ToCopy.Clear();
        ToCompare.Clear();
    }

    /// <summary>The replica has a record: its chunks are the same on both sides, unless more is to be brought over, or its baseline is not whole yet.</summary>
    public void EndAtReplica(Extent extent, bool isBaseline)
    {
        if (isBaseline || ToCopy.Count == 0)
        {
            Marks.End(extent, clean: !isBaseline);
            return;
        }

        foreach (var (part, isToCopy) in ToCopy.Runs(extent)) Marks.End(part, clean: !isToCopy);
    }

    /// <summary>The end of a baseline or resync is durable: marks that nothing under way holds, and nothing to be copied, say nothing any more.</summary>
    public void Settle()
    {
        var whole = new Extent(0, Disk.Length);
        if (ToCopy.Count == 0)
        {
            // At once: marks that were made coarser go by whole segments only.
            Marks.Clear(whole);
            return;
        }

        foreach (var (part, isToCopy) in ToCopy.Runs(whole))
        {
            if (!isToCopy) Marks.Clear(part);
        }
    }

    /// <summary>A region under comparison.</summary>
    public sealed class RegionWatch(Extent region)
    {
        public Extent Region { get; } = region;

        /// <summary>Whether a write touched it since it is watched.</summary>
        public bool IsTouched { get; set; }
    }
}
