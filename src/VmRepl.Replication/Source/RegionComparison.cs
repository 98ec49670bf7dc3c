using VmRepl.Blocks;
using VmRepl.Images;
using VmRepl.Protocol.Messages;
using VmRepl.Protocol.Records;
using VmRepl.Replication.Digests;

namespace VmRepl.Replication.Source;

/// <summary>
/// Finds out what of one disk differs from the replica's live image and sends that.
/// <list type="bullet">
/// <item>Where the source has no data and the replica has nothing allocated, nothing is read, hashed or said.</item>
/// <item>Where the source has no data and the replica has: one punch or zero record.</item>
/// <item>Where the source has data and the replica has nothing: the data is sent, without asking.</item>
/// <item>Elsewhere digests are compared down the tree, 1 MiB, 64 KiB, 4 KiB, and the blocks that differ are sent. What is sent is what was hashed: each region is read once.</item>
/// </list>
/// </summary>
internal sealed class RegionComparison(SourceDisk disk, IDiskImage image, ReplicaLink link, RecordStream stream, BlockDigest digest, bool isBaseline, RoundProgress progress)
{
    // A window bounds what is held in memory of maps; a group of regions shares its questions, and a few groups are under way at once to fill the line.
    private const long WindowBytes = 4L << 30;
    private const int GroupRegions = 16;
    private const int GroupsUnderWay = 4;

    public async Task RunAsync(CancellationToken cancellation)
    {
        using var places = new SemaphoreSlim(GroupsUnderWay);
        using var failing = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var running = new List<Task>();
        try
        {
            for (long at = 0; at < disk.Length; at += WindowBytes)
            {
                var window = new Extent(at, Math.Min(WindowBytes, disk.Length - at));
                var (data, zeros) = ReadMap(window);
                var allocated = new ExtentSet((await link.AskAsync<AllocationResult>(id => new AllocationQuery(id, disk.Id, [window]), cancellation)).Allocated);
                var regions = Regions(data, window);
                progress.AddTotal(regions.Sum(r => r.Length));
                await SendEmptyAsync(allocated, regions, zeros, cancellation);
                foreach (var group in regions.Chunk(GroupRegions))
                {
                    await places.WaitAsync(failing.Token);
                    running.RemoveAll(t => t.IsCompletedSuccessfully);
                    running.Add(GroupAsync(group, data, zeros, allocated, places, failing));
                }
            }

            await Task.WhenAll(running);
        }
        catch (Exception e)
        {
            await failing.CancelAsync();
            await Task.WhenAll(running).ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
            // A group failed and the rest were called off: its reason is what counts. It is known only now that all of them have ended.
            if (e is OperationCanceledException && running.Find(t => t.IsFaulted) is { } failed) await failed;
            throw;
        }
    }

    private async Task GroupAsync(Extent[] regions, ExtentSet data, ExtentSet zeros, ExtentSet allocated, SemaphoreSlim places, CancellationTokenSource failing)
    {
        await Task.Yield();
        try
        {
            var asked = new List<Region>();
            foreach (var extent in regions)
            {
                if (allocated.Overlaps(extent)) asked.Add(new Region(extent, Read(extent)));
                else await SendDirectAsync(extent, data, zeros, failing.Token);
            }

            if (asked.Count > 0) await CompareAsync(asked, zeros, failing.Token);
            foreach (var extent in regions) progress.AddDone(extent.Length);
        }
        catch
        {
            await failing.CancelAsync();
            throw;
        }
        finally
        {
            places.Release();
        }
    }

    /// <summary>What the source has in the window: data, and what its format calls zeros; the rest is unallocated.</summary>
    private (ExtentSet Data, ExtentSet Zeros) ReadMap(Extent window)
    {
        var data = new ExtentSet();
        var zeros = new ExtentSet();
        foreach (var run in image.Map(window.Offset, window.Length))
        {
            if (run.HasData) data.Add(run.Extent);
            else if (run.State == BlockState.Zero) zeros.Add(run.Extent);
        }

        return (data, zeros);
    }

    /// <summary>The regions of the tree that hold any data.</summary>
    private static List<Extent> Regions(ExtentSet data, Extent window)
    {
        var regions = new List<Extent>();
        var next = window.Offset;
        foreach (var extent in data.Extents)
        {
            for (var at = Math.Max(next, Sectors.AlignDown(extent.Offset, BlockDigest.RegionBytes)); at < extent.End; at += BlockDigest.RegionBytes)
            {
                regions.Add(new Extent(at, Math.Min(BlockDigest.RegionBytes, window.End - at)));
                next = at + BlockDigest.RegionBytes;
            }
        }

        return regions;
    }

    /// <summary>What the replica has where the source has no data is given back.</summary>
    private async Task SendEmptyAsync(ExtentSet allocated, List<Extent> regions, ExtentSet zeros, CancellationToken cancellation)
    {
        var compared = new ExtentSet(regions);
        var drafts = new List<RecordDraft>();
        foreach (var gone in allocated.Extents.SelectMany(compared.Gaps)) ContentDrafts.AddEmpty(drafts, disk.Id, AlignToSectors(gone), zeros);
        await stream.SendAsync(drafts, isBaseline, cancellation);
        progress.AddChanged(drafts.Sum(d => d.Length));
    }

    /// <summary>The replica has nothing here: what is not zero is sent as it is.</summary>
    private async Task SendDirectAsync(Extent region, ExtentSet data, ExtentSet zeros, CancellationToken cancellation)
    {
        var drafts = new List<RecordDraft>();
        var read = new List<RegionBuffer>();
        foreach (var extent in data.Intersect(region))
        {
            var part = AlignToSectors(extent);
            var contents = Read(part);
            read.Add(contents);
            ContentDrafts.AddContents(drafts, disk.Id, part, contents, 0, zeros, skipZeros: true);
        }

        await stream.SendAsync(drafts, isBaseline, cancellation);
        progress.AddChanged(drafts.Sum(d => d.Length));
        foreach (var contents in read) contents.Release();
    }

    private async Task CompareAsync(List<Region> regions, ExtentSet zeros, CancellationToken cancellation)
    {
        var leaves = regions.ConvertAll(r => RegionLeaves.Of(r.Extent, r.Contents.Memory.Span, digest));
        var differing = await RegionLeaves.AskDifferingAsync(leaves, disk.Id, link, digest, cancellation);
        var drafts = new List<RecordDraft>();
        foreach (var extent in differing)
        {
            var region = regions.Find(r => r.Extent.Contains(extent))!;
            ContentDrafts.AddContents(drafts, disk.Id, extent, region.Contents, (int)(extent.Offset - region.Extent.Offset), zeros, skipZeros: false);
        }

        await stream.SendAsync(drafts, isBaseline, cancellation);
        progress.AddChanged(drafts.Sum(d => d.Length));
        foreach (var region in regions) region.Contents.Release();
    }

    private RegionBuffer Read(Extent extent)
    {
        var contents = new RegionBuffer((int)extent.Length);
        image.Read(extent.Offset, contents.Memory.Span);
        return contents;
    }

    private Extent AlignToSectors(Extent extent) =>
        Extent.FromEnds(Sectors.AlignDown(extent.Offset, Sectors.Size), Math.Min(disk.Length, Sectors.AlignUp(extent.End, Sectors.Size)));

    /// <summary>A region that was read, until its differences are known.</summary>
    private sealed record Region(Extent Extent, RegionBuffer Contents);
}
