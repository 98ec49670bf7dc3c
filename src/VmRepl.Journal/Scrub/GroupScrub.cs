using VmRepl.Journal.Store;

namespace VmRepl.Journal.Scrub;

/// <summary>
/// Verifies a group: every segment's header, commits and payloads; every entry of the index against its records; every region of the live images against the digest kept of it.
/// It may run beside everything else, and waits for the journal's locks for moments only. What it writes is digests, and only of a group that is open for writing.
/// <para>Not verified: what the host has in its cache is read from there, so damage on the medium is found only once the cache has let go of it.</para>
/// </summary>
public static class GroupScrub
{
    /// <exception cref="OperationCanceledException">It was cancelled; what was found is lost, digests taken are kept.</exception>
    /// <exception cref="StoreException">The group's journal has failed, or the group was closed meanwhile.</exception>
    public static async Task<ScrubReport> RunAsync(GroupStore group, ScrubOptions options, CancellationToken cancellation)
    {
        try
        {
            return await RunOpenAsync(group, options, cancellation);
        }
        catch (ObjectDisposedException e)
        {
            throw new StoreException($"group {group.Description.Name} was closed while it was scrubbed: {e.Message}", "Scrub it again.");
        }
    }

    private static async Task<ScrubReport> RunOpenAsync(GroupStore group, ScrubOptions options, CancellationToken cancellation)
    {
        // The caller's thread is not kept: what follows waits for disks.
        await Task.Yield();
        var pace = new ScrubPace(options, cancellation);
        // A baseline is written past the journal and compared by its source; there are no points yet to be spoiled.
        var images = group.Phase == GroupPhase.Following ? group.Description.Disks : [];
        var segments = group.Journal.SegmentsToScrub();
        var findings = new ScrubFindings(options.Progress, segments.Sum(s => s.Bytes) + images.Sum(d => d.Length));
        var scrub = new SegmentScrub(group, findings, pace);
        foreach (var (serial, bytes) in segments)
        {
            if (group.Journal.HoldSegment(serial) is not { } held)
            {
                findings.Advance(bytes);
                continue;
            }

            try
            {
                await scrub.RunAsync(held);
            }
            finally
            {
                group.Journal.Release(held);
            }
        }

        foreach (var disk in group.Description.Disks) await CheckIndexAsync(group, disk, findings, pace);
        foreach (var disk in images) await new LiveImageScrub(group, disk, group.Images[disk.Id], findings, pace).RunAsync();
        if (!group.Journal.IsReadOnly)
        {
            foreach (var image in group.Images.Values) image.Digests.Flush();
        }

        return new ScrubReport(group.Description.Name, pace.ReadBytes, findings.RegionsVerified, findings.RegionsNew, findings.RegionsUnverified, findings.DamageCount, findings.Damage, pace.Elapsed);
    }

    private static async Task CheckIndexAsync(GroupStore group, DiskDescription disk, ScrubFindings findings, ScrubPace pace)
    {
        for (long from = 0; from < disk.Length;)
        {
            foreach (var fault in group.Journal.CheckIndex(disk.Id, ref from))
                findings.Add(disk.Name, fault.Extent.Offset, fault.Extent.Length, $"the index of {disk.Name} does not fit its records: {fault.Reason}", group.Journal.PointsListed);
            await pace.SpendAsync(0);
        }
    }
}
