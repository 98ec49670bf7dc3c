using VmRepl.Blocks;
using VmRepl.Protocol.Messages;
using VmRepl.Replication.Digests;

namespace VmRepl.Replication.Source.Following;

/// <summary>
/// Brings over what is to be copied, region by region, while the guest goes on writing. A region is held for as long as it takes to read it and give its contents their place in the order: what is written before
/// that is in what was read, what is written after it is sent behind it. So a chunk leaves the set once and for all, and the scan ends whatever is written meanwhile.
/// <para>
/// Where the marks are not exact, or a baseline meets an image that has contents, digests are exchanged first, with nothing held: the answer counts only where no write touched the region since it began to be read.
/// </para>
/// </summary>
internal sealed class CopyScanner(IReadOnlyList<FollowedDisk> disks, GroupStream stream, Splitter splitter, ReplicaLink link, BlockDigest digest, bool isBaseline, FollowProgress progress)
{
    private const int RegionBytes = BlockDigest.RegionBytes;
    private const int GroupRegions = 16;
    private const long WindowBytes = 4L << 30;

    /// <summary>Copies until nothing is left; what becomes dirty meanwhile is copied as well.</summary>
    /// <returns>False where the link was given up.</returns>
    public async Task<bool> RunAsync(CancellationToken cancellation)
    {
        progress.Begin(stream.ToCopyBytes);
        while (stream.ToCopyBytes > 0)
        {
            foreach (var disk in disks)
            {
                for (long at = 0; at >= 0 && at < disk.Disk.Length;)
                {
                    var next = stream.Under(() => disk.ToCopy.FirstFrom(at));
                    if (next < 0) break;
                    var window = Extent.FromEnds(next / WindowBytes * WindowBytes, Math.Min(disk.Disk.Length, (next / WindowBytes + 1) * WindowBytes));
                    if (!await WindowAsync(disk, window, Sectors.AlignDown(next, RegionBytes), cancellation)) return false;
                    at = window.End;
                }
            }
        }

        return true;
    }

    private async Task<bool> WindowAsync(FollowedDisk disk, Extent window, long from, CancellationToken cancellation)
    {
        // Asked before anything of the window is sent by this scan: where the replica has nothing, nothing is compared, and zeros need no saying.
        ExtentSet? allocated = null;
        var compared = new List<Extent>();
        for (var at = from; at < window.End;)
        {
            var (next, compares) = stream.Under(() =>
            {
                var first = disk.ToCopy.FirstFrom(at);
                return (first, first >= 0 && disk.ToCompare.Overlaps(Region(disk, first)));
            });
            if (next < 0 || next >= window.End) break;
            var region = Region(disk, next);
            if (compares)
            {
                allocated ??= new ExtentSet((await link.AskAsync<AllocationResult>(id => new AllocationQuery(id, disk.Disk.Id, [window]), cancellation)).Allocated);
                if (allocated.Overlaps(region)) compared.Add(region);
                else if (!await CopyAsync(disk, region, skipZeros: true, cancellation)) return false;
            }
            else if (!await CopyAsync(disk, region, skipZeros: false, cancellation))
            {
                return false;
            }

            at = region.End;
            if (compared.Count < GroupRegions) continue;
            if (!await CompareAsync(disk, compared, cancellation)) return false;
            compared.Clear();
        }

        return compared.Count == 0 || await CompareAsync(disk, compared, cancellation);
    }

    private static Extent Region(FollowedDisk disk, long at)
    {
        var start = Sectors.AlignDown(at, RegionBytes);
        return new Extent(start, Math.Min(RegionBytes, disk.Disk.Length - start));
    }

    /// <summary>Reads and sends what is to be copied of a region.</summary>
    private async Task<bool> CopyAsync(FollowedDisk disk, Extent region, bool skipZeros, CancellationToken cancellation)
    {
        if (!await stream.WaitForRoomAsync(region.Length + 4096, cancellation)) return false;
        var held = await disk.Ranges.EnterAsync(region);
        try
        {
            return splitter.Copy(disk, region, part => Dirty(disk, part), skipZeros, progress);
        }
        finally
        {
            disk.Ranges.Exit(held);
        }
    }

    /// <summary>The marked sectors of a part; all of it where the marks are not exact.</summary>
    private IEnumerable<Extent> Dirty(FollowedDisk disk, Extent part) => isBaseline || disk.ComparesFirst ? [part] : disk.Marks.Dirty(part).Extents;

    /// <summary>Finds by digests what differs in the regions, and sends that.</summary>
    private async Task<bool> CompareAsync(FollowedDisk disk, List<Extent> extents, CancellationToken cancellation)
    {
        var regions = new List<ComparedRegion>();
        try
        {
            foreach (var extent in extents) regions.Add(await BeginAsync(disk, extent));
            var differing = await RegionLeaves.AskDifferingAsync(regions.ConvertAll(r => r.Leaves), disk.Disk.Id, link, digest, cancellation);
            foreach (var region in regions)
            {
                if (!await stream.WaitForRoomAsync(region.Watch.Region.Length + 4096, cancellation)) return false;
                var held = await disk.Ranges.EnterAsync(region.Watch.Region);
                try
                {
                    // Touched by a write since: the digests are of something that is not there any more. Read again, under the hold, and sent whole.
                    var isTouched = stream.Under(() => region.Watch.IsTouched);
#if SIMULATION_PLANTS
                    if (Simulation.Plant.Is(Simulation.Plant.TrustOldDigest)) isTouched = false;
#endif
                    var found = new ExtentSet(differing.Where(region.Watch.Region.Contains));
                    if (!splitter.Copy(disk, region.Watch.Region, part => isTouched ? [part] : found.Intersect(part), skipZeros: false, progress)) return false;
                }
                finally
                {
                    disk.Ranges.Exit(held);
                }
            }

            return true;
        }
        finally
        {
            stream.Under(() => disk.Watches.RemoveAll(w => regions.Exists(r => ReferenceEquals(r.Watch, w))));
        }
    }

    private async Task<ComparedRegion> BeginAsync(FollowedDisk disk, Extent extent)
    {
        var watch = new FollowedDisk.RegionWatch(extent);
        // Taken for a moment: a write that is under way is finished before the region counts as watched.
        var held = await disk.Ranges.EnterAsync(extent);
        stream.Under(() =>
        {
            disk.Watches.Add(watch);
            return 0;
        });
        disk.Ranges.Exit(held);
        var contents = new byte[extent.Length];
        disk.Image.Read(extent.Offset, contents);
        return new ComparedRegion(watch, RegionLeaves.Of(extent, contents, digest));
    }

    /// <summary>A region that was read and hashed.</summary>
    private sealed record ComparedRegion(FollowedDisk.RegionWatch Watch, RegionLeaves Leaves);
}
