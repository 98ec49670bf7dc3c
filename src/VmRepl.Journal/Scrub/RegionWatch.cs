using VmRepl.Blocks;

namespace VmRepl.Journal.Scrub;

/// <summary>Somebody reads a region and has to know whether it was written meanwhile.</summary>
internal sealed class RegionWatch(long region, Extent extent)
{
    public long Region { get; } = region;

    public Extent Extent { get; } = extent;

    /// <summary>Whether a write of it ran at any moment since the watch began. Under the lock of <see cref="RegionDigests"/>.</summary>
    public bool IsDisturbed { get; set; }
}
