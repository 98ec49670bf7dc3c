using VmRepl.Blocks;

namespace VmRepl.Journal.Index;

/// <summary>What the layers say about one point of a range of a disk: where its contents come from, and whether a record after the point touches it.</summary>
/// <param name="Record">Null for the live image.</param>
/// <param name="IsTouchedAfter">Whether some layer has a version after the point.</param>
internal readonly record struct Settled(long Start, long End, RecordRef? Record, bool IsTouchedAfter);

/// <summary>
/// Walks the layers of an index from the newest to the oldest for one question "what did this range hold at that point", with early end. A part is settled by the newest version at or before the point;
/// by an undo that counts, since nothing older can (it was written when the sectors were touched for the first time in the range); else at the last layer.
/// A hand-down does not settle by itself: versions between the start and the point may stand in older layers.
/// </summary>
internal sealed class Settlement
{
    private readonly List<LayerRun> found = [];
    private readonly List<Settled> settled = [];
    private List<Open> open = [];
    private List<Open> rest = [];

    /// <summary>The parts of the range in order, covering it exactly. Valid until the next call.</summary>
    /// <param name="layers">From the oldest to the newest.</param>
    /// <param name="start">The start of the recovery range; what lies at or before it is void.</param>
    /// <param name="firstSerial">The oldest segment that there is; what points before it is void.</param>
    public List<Settled> Run(IReadOnlyList<IndexLayer> layers, uint disk, Extent range, ulong point, ulong start, ulong firstSerial)
    {
        settled.Clear();
        open.Clear();
        open.Add(new Open(range.Offset, range.End, null, false));
        for (var i = layers.Count - 1; i >= 0 && open.Count > 0; i--) Pass(layers[i], disk, point, start, firstSerial);
        var last = settled.Count;
        foreach (var part in open) settled.Add(new Settled(part.Start, part.End, part.IsTouchedAfter ? part.HandDown : null, part.IsTouchedAfter));
        if (last > 0 && settled.Count > 1) settled.Sort(static (a, b) => a.Start.CompareTo(b.Start));
        return settled;
    }

    private void Pass(IndexLayer layer, uint disk, ulong point, ulong start, ulong firstSerial)
    {
        found.Clear();
        layer.Find(disk, Extent.FromEnds(open[0].Start, open[^1].End), found);
        if (found.Count == 0) return;
        rest.Clear();
        var i = 0;
        foreach (var part in open)
        {
            var at = part.Start;
            while (i < found.Count && found[i].End <= at) i++;
            for (var k = i; k < found.Count && found[k].Start < part.End; k++)
            {
                var run = found[k];
                if (run.Start > at) rest.Add(part with { Start = at, End = run.Start });
                at = Math.Max(at, run.Start);
                var to = Math.Min(run.End, part.End);
                Part(layer, run, part with { Start = at, End = to }, point, start, firstSerial);
                at = to;
            }

            if (at < part.End) rest.Add(part with { Start = at });
        }

        (open, rest) = (rest, open);
    }

    /// <summary>One part that lies within one run of the layer.</summary>
    private void Part(IndexLayer layer, in LayerRun run, Open part, ulong point, ulong start, ulong firstSerial)
    {
        var isTouched = part.IsTouchedAfter || run.Newest > point;
        if (run.Versions > 0 && run.Oldest <= point && run.Newest > start)
        {
            var version = layer.NewestAt(run, point);
            if (version.Number > start)
            {
                settled.Add(new Settled(part.Start, part.End, version, isTouched));
                return;
            }
        }

        if (run.HasUndo)
        {
            var undo = layer.Undo(run);
            if (undo.Serial >= firstSerial && undo.Kind == Protocol.Records.RecordKind.Undo && undo.Number > start && (part.HandDown is null || !isTouched))
            {
                settled.Add(new Settled(part.Start, part.End, isTouched ? undo : null, isTouched));
                return;
            }

            if (part.HandDown is null && undo.Serial >= firstSerial && undo.Kind == Protocol.Records.RecordKind.HandDown && undo.Number <= start) part = part with { HandDown = undo };
        }

        rest.Add(part with { IsTouchedAfter = isTouched });
    }

    private readonly record struct Open(long Start, long End, RecordRef? HandDown, bool IsTouchedAfter);
}
