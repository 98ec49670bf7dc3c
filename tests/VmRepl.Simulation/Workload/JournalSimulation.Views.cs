using VmRepl.Blocks;
using VmRepl.Journal;
using VmRepl.Journal.Views;
using VmRepl.Protocol.Records;
using static VmRepl.Simulation.Workload.GroupChecker;

namespace VmRepl.Simulation.Workload;

/// <content>Views, while the group goes on.</content>
public sealed partial class JournalSimulation
{
    private const int PiecesMax = 96;
    private const double AppendChance = 0.5, AppendChanceInPiece = 0.1;

    private double appendChance = AppendChance;

    // What is being read, where that is a part of a chunk.
    private (uint Disk, Extent Extent)? piece;

    private void OpenOneView()
    {
        var points = group!.Journal.Points;
        if (points.Count == 0 || views.Count >= 3) return;
        // Old ones more often: those are the ones that retirement comes near. Not the oldest alone: that one lets nothing be retired.
        var point = points[(int)random.Between(0, random.Chance(0.5) ? Math.Min(4, points.Count - 1) : points.Count - 1)];
        if (random.Chance(0.3) && FollowedMoment(group) is { } followed) point = followed;
        views.Add(new OpenView(group.OpenView(point), retired));
    }

    private void CheckOneView()
    {
        if (views.Count == 0) return;
        var open = random.Pick(views);
        if (random.Chance(0.6)) volume.BeforeRead = AppendWhileReading;
        try
        {
            CheckView(open.View, oracle, Counters);
            if (isOfBlocks) CheckPieces(open.View);
        }
        catch (ViewClosedException) when (open.View.IsClosed)
        {
            // It gave way at a hard limit; it may have done so in the middle of this.
            Counters.Add(SimulationCounters.ViewsClosed);
            open.View.Dispose();
            views.Remove(open);
            return;
        }
        finally
        {
            volume.BeforeRead = null;
            appendChance = AppendChance;
            piece = null;
        }

        Require(!open.View.IsClosed, "a view that gave way was read to its end");
        if (retired > open.RetiredBefore) Counters.Add(SimulationCounters.ViewsOverRetirement);
        if (random.Chance(0.5)) return;
        open.View.Dispose();
        views.Remove(open);
    }

    /// <summary>Reads parts of chunks, most of them a block, so that what was resolved is used again and again, also while it changes.</summary>
    private void CheckPieces(GroupView view)
    {
        appendChance = AppendChanceInPiece;
        foreach (var (id, disk) in view.Disks)
        {
            var expected = oracle.Contents(view.Point.Sequence)[id - 1];
            for (var pieces = PiecesMax; pieces > 0; pieces--)
            {
                var from = random.Between(0, (disk.Length / Oracle.BlockBytes) - 1) * Oracle.BlockBytes;
                var room = ResolvedChunks.ChunkBytes - (from % ResolvedChunks.ChunkBytes);
                var length = random.Chance(0.8) ? Oracle.BlockBytes : Math.Min(disk.Length - from, random.Between(1, room / Sectors.Size) * Sectors.Size);
                var isKnown = disk.KnowsBlocks(new Extent(from, length));
                var isAtOnce = disk.SupposesLive && length == Oracle.BlockBytes;
                var appends = Counters[SimulationCounters.SecondLooks];
                piece = (id, new Extent(from, length));
                ComparePart(disk, piece.Value.Extent, expected, $"disk {id} at {view.Point.Sequence}");
                if (!isKnown) continue;
                Counters.Add(SimulationCounters.BlocksRead);
                if (Counters[SimulationCounters.SecondLooks] == appends) continue;
                Counters.Add(SimulationCounters.BlocksSecondLooks);
                if (isAtOnce) Counters.Add(SimulationCounters.BlocksAtOnce);
            }
        }
    }

    /// <summary>Another thread gets its turn between a view's first look and its read of the live image or of a segment.</summary>
    private void AppendWhileReading(string path)
    {
        if (!IsContents(path) || !random.Chance(appendChance)) return;
        volume.BeforeRead = null;
        Counters.Add(SimulationCounters.SecondLooks);
        try
        {
            if (piece is { } here && resend.Count == 0 && random.Chance(0.5))
            {
                isRewinding = false;
                Send([maker.Contents(RecordKind.Write, here.Disk, here.Extent.Offset, here.Extent.Length)]);
            }
            else
            {
                AppendBatch();
            }
        }
        catch (JournalFullException)
        {
            Counters.Add(SimulationCounters.JournalFull);
        }

        volume.BeforeRead = AppendWhileReading;
    }

    private bool IsContents(string path) => path.Contains("/live/", StringComparison.Ordinal) || (isOfBlocks && Path.GetFileName(path).StartsWith("segment-", StringComparison.Ordinal));

    private void CheckOnePoint()
    {
        var points = group!.Journal.Points;
        if (points.Count == 0) return;
        using var view = group.OpenView(random.Pick(points));
        CheckView(view, oracle, Counters);
        CheckAnyMoment(group);
    }

    private void CloseViews()
    {
        foreach (var view in views) view.View.Dispose();
        views.Clear();
    }
}
