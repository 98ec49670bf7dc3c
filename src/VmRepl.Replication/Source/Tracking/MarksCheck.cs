using System.Buffers;
using VmRepl.Blocks.Files;

namespace VmRepl.Replication.Source.Tracking;

/// <summary>Reads a marks file through before it is mapped: what is damaged, and what cannot be read, comes to light here and not as a fault of memory.</summary>
/// <param name="Header">Null where the file is not to be believed.</param>
/// <param name="Pages">Buckets whose page has space.</param>
/// <param name="Wrong">What is wrong with it, where something is.</param>
internal sealed record MarksCheck(MarksHeader? Header, IReadOnlyList<int> Pages, string? Wrong)
{
    private const int PagesAtOnce = 256;

    public static MarksCheck Run(IHostDirectory directory, string name, MarksLayout layout)
    {
        try
        {
            using var file = directory.Open(name, HostFileAccess.Read);
            return Run(file, layout);
        }
        catch (IOException e)
        {
            return Bad($"it cannot be read: {e.Message}");
        }
    }

    private static MarksCheck Run(IHostFile file, MarksLayout layout)
    {
        if (file.Length < MarksLayout.PageBytes) return Bad($"it ends at {file.Length}, in its header");
        var buffer = ArrayPool<byte>.Shared.Rent(PagesAtOnce * MarksLayout.PageBytes);
        try
        {
            file.ReadExactly(0, buffer.AsSpan(0, MarksLayout.PageBytes));
            if (MarksHeader.TryRead(buffer.AsSpan(0, MarksLayout.PageBytes), out var wrong) is not { } header) return Bad(wrong!);
            if (header.DiskLength != layout.DiskLength) return Bad($"it is about a disk of {header.DiskLength} bytes, and this one has {layout.DiskLength}");
            if (file.Length != layout.FileLength) return Bad($"its length is {file.Length} and not {layout.FileLength}");
            if (SegmentsBeyondEnd(file, layout, buffer)) return Bad("it marks segments beyond the disk's end");
            var pages = new List<int>();
            return ReadPages(file, layout, buffer, pages) ? new MarksCheck(header, pages, null) : Bad("it marks sectors beyond the disk's end");
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Reads all of the segments' bits.</summary>
    private static bool SegmentsBeyondEnd(IHostFile file, MarksLayout layout, byte[] buffer)
    {
        for (var page = 1; page <= layout.SegmentPageCount; page++)
        {
            var bits = buffer.AsSpan(0, MarksLayout.PageBytes);
            file.ReadExactly((long)page * MarksLayout.PageBytes, bits);
            if (page < layout.SegmentPageCount) continue;
            var last = layout.BucketCount - 1;
            var end = (MarksLayout.SegmentOffset(last) * 8) + layout.SegmentsIn(last);
            return MarkBits.Next(bits, end, set: true) < bits.Length * 8;
        }

        return false;
    }

    private static bool ReadPages(IHostFile file, MarksLayout layout, byte[] buffer, List<int> pages)
    {
        var start = (long)layout.FixedPageCount * MarksLayout.PageBytes;
        foreach (var run in file.Map(start, file.Length - start))
        {
            if (run.IsHole) continue;
            var first = (run.Offset - start) / MarksLayout.PageBytes;
            var end = (run.End - start + MarksLayout.PageBytes - 1) / MarksLayout.PageBytes;
            // A run may begin in the page in which the one before ended, where the volume's blocks are smaller.
            if (pages.Count > 0 && first <= pages[^1]) first = pages[^1] + 1;
            for (; first < end; first += PagesAtOnce)
            {
                var count = (int)Math.Min(PagesAtOnce, end - first);
                file.ReadExactly(start + (first * MarksLayout.PageBytes), buffer.AsSpan(0, count * MarksLayout.PageBytes));
                for (var i = 0; i < count; i++)
                {
                    var bucket = (int)first + i;
                    var bits = buffer.AsSpan(i * MarksLayout.PageBytes, MarksLayout.PageBytes);
                    if (bucket == layout.BucketCount - 1 && MarkBits.Next(bits, layout.SectorsIn(bucket), set: true) < MarksLayout.SectorsPerBucket) return false;
                    // A volume without holes has all pages, most of them zeros: those need not count as in use.
                    if (bits.ContainsAnyExcept((byte)0)) pages.Add(bucket);
                }
            }
        }

        return true;
    }

    private static MarksCheck Bad(string wrong) => new(null, [], wrong);
}
