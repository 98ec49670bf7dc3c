using System.Buffers.Binary;
using VmRepl.Blocks;
using VmRepl.Blocks.Files;

namespace VmRepl.Replication.Source.Tracking;

/// <summary>
/// Opens the files of a <see cref="DirtyRegionLog"/>. Whatever ends this half-way, the next opening comes to marks that are no fewer: a new file becomes one only by its header, which comes last; after the
/// host's end the active segments are marked durably before the header has the new boot id.
/// </summary>
internal static class LogOpening
{
    public static DirtyRegionLog Open(IHostDirectory directory, string name, long diskLength, DirtyLogOptions options)
    {
        var layout = new MarksLayout(diskLength);
        var (marksName, activeName) = ($"{name}.marks", $"{name}.active");
        var (stop, check, active, wrong) = Judge(directory, marksName, activeName, layout, options.BootId);
        var isBelieved = stop is LogStop.Clean or LogStop.ProcessDeath or LogStop.HostCrash;
        if (!isBelieved) CreateMarks(directory, marksName, layout);
        var memory = directory.Map(marksName);
        ActivityLog? activity = null;
        AnchorLog? anchors = null;
        try
        {
            var counters = new ChunkCounters();
            // On a volume that is shared, the space that the file had may be gone by now, as after a copy of it.
            memory.Reserve(0, layout.FixedPageCount);
            var marks = new RegionMarks(layout, memory, counters, options.ExactBucketsMax);
            if (isBelieved) marks.Load(check.Pages);
            else marks.AddAll();
            if (stop == LogStop.HostCrash) AddActive(marks, active!, layout);
            if (stop != LogStop.ProcessDeath) memory.Flush(0, memory.PageCount);
            var gate = new Lock();
            // After the process's death what is active stays so: neither marks nor disk are known to be on stable storage. Where the file is not to be believed, that may be any segment.
            activity = ActivityLog.Create(directory, activeName, diskLength, gate, stop == LogStop.ProcessDeath ? active : []);
            long? lastBegun = stop is LogStop.Clean or LogStop.ProcessDeath ? BinaryPrimitives.ReadInt64LittleEndian(memory.Page(0)[MarksHeader.BegunOffset..]) : null;
            anchors = AnchorLog.Open(directory, name, layout, gate, lastBegun);
            new MarksHeader(false, diskLength, options.BootId).WriteTo(memory.WritablePage(0));
            memory.Flush(0, 1);
            if (!isBelieved) directory.Flush();
            return new DirtyRegionLog(gate, layout, options, memory, counters, marks, activity, anchors, stop, wrong);
        }
        catch
        {
            activity?.Dispose();
            anchors?.Dispose();
            memory.Dispose();
            throw;
        }
    }

    private static (LogStop Stop, MarksCheck Check, ulong[]? Active, string? Wrong) Judge(IHostDirectory directory, string marksName, string activeName, MarksLayout layout, Guid bootId)
    {
        if (!directory.FileExists(marksName) && !directory.FileExists(activeName)) return (LogStop.New, new MarksCheck(null, [], null), null, null);
        var check = directory.FileExists(marksName) ? MarksCheck.Run(directory, marksName, layout) : new MarksCheck(null, [], "it is missing");
        if (check.Header is not { } header) return (LogStop.Damaged, check, null, $"{marksName}: {check.Wrong}");
        if (header.IsClosed) return (LogStop.Clean, check, null, null);
        var active = ActivityFile.TryRead(directory, activeName, layout.DiskLength, out var wrong);
        if (header.BootId == bootId) return (LogStop.ProcessDeath, check, active, null);
        return active is null ? (LogStop.Damaged, check, null, $"{activeName}: {wrong}") : (LogStop.HostCrash, check, active, null);
    }

    /// <summary>A file of holes, without a header.</summary>
    private static void CreateMarks(IHostDirectory directory, string name, MarksLayout layout)
    {
        if (directory.FileExists(name)) directory.Delete(name);
        using var file = directory.Open(name, HostFileAccess.CreateNew);
        file.SetLength(layout.FileLength);
        file.Flush();
    }

    private static void AddActive(RegionMarks marks, ulong[] active, MarksLayout layout)
    {
        for (var segment = 0; segment < ActivityFile.SegmentCount(layout.DiskLength); segment++)
        {
            if ((active[segment >> 6] >> (segment & 63) & 1) == 0) continue;
            var start = (long)segment * ActivityFile.SegmentBytes;
            marks.Add(Extent.FromEnds(start, Math.Min(layout.DiskLength, start + ActivityFile.SegmentBytes)));
        }
    }
}
