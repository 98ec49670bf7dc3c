using VmRepl.Blocks;

namespace VmRepl.Images.Vhdx;

/// <summary>
/// What all changes of a log come to, the later before the earlier ([MS-VHDX] 2.3.3): disjoint zeros in order, and the sectors that are not zeros. Found in one pass over the sorted changes, since a log
/// can have half a million of them, in any order.
/// </summary>
internal static class VhdxLogOverlay
{
    /// <param name="changes">In the order of the log; whole log sectors, each range checked.</param>
    public static IEnumerable<(Extent Range, byte[]? Sector)> Resolve(IReadOnlyList<VhdxLogChange> changes)
    {
        var byStart = Enumerable.Range(0, changes.Count).OrderBy(i => changes[i].FileOffset).ToArray();
        // Those that reach where the pass is, the latest first.
        var open = new PriorityQueue<int, int>();
        ulong at = 0;
        for (var next = 0; next < byStart.Length || open.Count > 0;)
        {
            while (open.TryPeek(out var past, out _) && End(past) <= at) open.Dequeue();
            if (open.Count == 0)
            {
                if (next == byStart.Length) yield break;
                at = Math.Max(at, changes[byStart[next]].FileOffset);
            }

            for (; next < byStart.Length && changes[byStart[next]].FileOffset <= at; next++) open.Enqueue(byStart[next], -byStart[next]);
            while (open.TryPeek(out var past, out _) && End(past) <= at) open.Dequeue();
            if (!open.TryPeek(out var latest, out _)) continue;
            var end = next < byStart.Length ? Math.Min(End(latest), changes[byStart[next]].FileOffset) : End(latest);
            // A sector of the log is one change and so never cut.
            yield return (Extent.FromEnds((long)at, (long)end), changes[latest].Sector);
            at = end;
        }

        ulong End(int change) => changes[change].FileOffset + changes[change].Length;
    }
}
