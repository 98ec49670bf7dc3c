using VmRepl.Blocks;
using VmRepl.Journal.Index;
using VmRepl.Journal.Store;

namespace VmRepl.Journal.Scrub;

/// <summary>Compares the regions of one live image with their digests, and takes those that are missing.</summary>
internal sealed class LiveImageScrub(GroupStore group, DiskDescription disk, DigestedImage image, ScrubFindings findings, ScrubPace pace)
{
    // A region that is written each time it is looked at is left for the next scrub: it is being replaced.
    private const int AttemptsMax = 3;

    private readonly GroupJournal journal = group.Journal;
    private readonly RegionDigests digests = image.Digests;
    private readonly byte[] buffer = new byte[RegionDigest.RegionBytes];

    public async Task RunAsync()
    {
        if (digests.Fault is { } fault) findings.Add(disk.Name, 0, 0, $"{fault}; the digests are taken anew", []);
        for (long region = 0; region < digests.Regions; region++)
        {
#if SIMULATION_PLANTS
            if (VmRepl.Simulation.Plant.Is(VmRepl.Simulation.Plant.ScrubSkipsARegion) && region == 1) continue;
#endif
            long read = 0;
            var isDone = false;
            for (var attempt = 0; attempt < AttemptsMax && !isDone; attempt++) isDone = TryRegion(region, ref read);
            if (!isDone) findings.RegionsUnverified++;
            findings.Advance(digests.ExtentOf(region).Length);
            // A hole costs a look at the map; now and then that is work as well.
            await pace.SpendAsync(Math.Max(read, Sectors.Size));
        }
    }

    /// <summary>False where the region was written meanwhile, or has no digest and none can be taken.</summary>
    private bool TryRegion(long region, ref long read)
    {
        var watch = digests.Watch(region);
        try
        {
            // The sequence of the newest record that may be in it: asked before, so that it is never too high.
            var applied = journal.Position.Applied;
            var expected = digests.Find(watch, out var isDamaged);
            var contents = buffer.AsSpan(0, (int)watch.Extent.Length);
            if (Read(watch.Extent, contents, ref read) is { } reason)
            {
                if (!digests.IsUndisturbed(watch)) return false;
                findings.Add(disk.Name, watch.Extent.Offset, watch.Extent.Length, $"{image.Path}: the live image cannot be read: {reason}", PointsReadingLive(watch.Extent));
                return true;
            }

            var found = RegionDigest.Compute(contents);
            if (!digests.IsUndisturbed(watch)) return false;
            if (isDamaged) findings.Add(disk.Name, 0, 0, $"{digests.Path}: the digest of region {region} does not verify; the region is not known to be whole", []);
            if (expected is null)
            {
                return TryKeep(watch, new RegionDigest(found, applied));
            }

            findings.RegionsVerified++;
            if (found != expected.Value.Digest) NameDamage(watch, expected.Value, contents, applied);
            return true;
        }
        finally
        {
            digests.Release(watch);
        }
    }

    private bool TryKeep(RegionWatch watch, RegionDigest found)
    {
        try
        {
            if (!digests.TryKeep(watch, found)) return false;
            findings.RegionsNew++;
        }
        catch (IOException)
        {
            // A full volume is no damage, and the rest can be verified all the same.
            findings.RegionsUnverified++;
        }

        return true;
    }

    private string? Read(Extent region, Span<byte> contents, ref long read)
    {
        try
        {
            if (image.Map(region.Offset, region.Length).All(run => !run.HasData))
            {
                contents.Clear();
                return null;
            }

            read += region.Length;
            image.Read(region.Offset, contents);
            return null;
        }
        catch (IOException e)
        {
            return e.Message;
        }
    }

    /// <summary>
    /// The region is not what it was. Where records of the range name some of its sectors, the journal has these as well: if they alone account for the difference, just the sectors that differ are
    /// damaged, and no point reads them from the live image. Otherwise it is somewhere in the others, and every point reads those.
    /// </summary>
    private void NameDamage(RegionWatch watch, RegionDigest expected, Span<byte> contents, ulong applied)
    {
        var where = $"{image.Path}: the live image is not what it was when sequence {expected.Sequence} was applied, and nothing wrote it since";
        var mended = contents.ToArray();
        if (TryOverlay(watch.Extent, mended, applied) && RegionDigest.Compute(mended) == expected.Digest)
        {
            foreach (var part in Differing(contents, mended))
                findings.Add(disk.Name, watch.Extent.Offset + part.Offset, part.Length, $"{where}; the journal holds these sectors, no point reads them here", []);
            return;
        }

        foreach (var part in FromLive(watch.Extent) is { Count: > 0 } parts ? parts : [watch.Extent])
            findings.Add(disk.Name, part.Offset, part.Length, $"{where}; it is somewhere in these sectors", PointsReadingLive(part));
    }

    /// <summary>Puts what the journal holds of a region in the place of what the live image does.</summary>
    private bool TryOverlay(Extent region, byte[] contents, ulong applied)
    {
        var sources = journal.Resolve(disk.Id, region, applied);
        try
        {
            foreach (var source in sources)
            {
                if (source.Record is { } record) source.Segment!.Read(record, source.Range, contents.AsSpan((int)(source.Range.Offset - region.Offset), (int)source.Range.Length));
            }

            return true;
        }
        catch (Exception e) when (e is JournalDamagedException or IOException)
        {
            return false;
        }
        finally
        {
            journal.Release(sources);
        }
    }

    /// <summary>The parts that no record of the range names, so that every point reads them from the live image.</summary>
    private List<Extent> FromLive(Extent range)
    {
        var sources = journal.Resolve(disk.Id, range, ulong.MaxValue);
        journal.Release(sources);
        return [.. sources.Where(s => s.Record is null).Select(s => s.Range)];
    }

    private IReadOnlyList<Points.RecoveryPoint> PointsReadingLive(Extent range) => FromLive(range).Count > 0 ? journal.PointsListed : [];

    private static IReadOnlyList<Extent> Differing(ReadOnlySpan<byte> one, ReadOnlySpan<byte> other)
    {
        var differing = new ExtentSet();
        for (var at = 0; at < one.Length; at += Sectors.Size)
        {
            var length = Math.Min(Sectors.Size, one.Length - at);
            if (!one.Slice(at, length).SequenceEqual(other.Slice(at, length))) differing.Add(new Extent(at, length));
        }

        return differing.Extents;
    }
}
