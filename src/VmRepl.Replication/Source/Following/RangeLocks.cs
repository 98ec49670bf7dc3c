using VmRepl.Blocks;

namespace VmRepl.Replication.Source.Following;

/// <summary>
/// The ranges of one disk that somebody works in. Whoever wants a range that overlaps one of them, or one that somebody waits for, waits: overlapping writes are carried out one after the other, in the order
/// in which they came, on this side and (by their sequences) on the other. Few are held at a time, so they are looked through one by one. Safe for concurrent use.
/// </summary>
internal sealed class RangeLocks
{
    private readonly Lock gate = new();

    // In the order of arrival. One that is granted stays here until it is given back.
    private readonly List<Held> line = [];

    /// <summary>Ranges held or waited for.</summary>
    public int Count
    {
        get
        {
            lock (gate) return line.Count;
        }
    }

    /// <summary>Takes a range; completes at once where nobody is in the way.</summary>
    public ValueTask<Held> EnterAsync(Extent range)
    {
        Held held;
        lock (gate)
        {
            var isFree = IsFree(range, line.Count);
            held = new Held(range, isFree);
            line.Add(held);
            if (isFree) return new ValueTask<Held>(held);
        }

        return new ValueTask<Held>(held.Granted.Task);
    }

    public void Exit(Held held)
    {
        List<Held>? granted = null;
        lock (gate)
        {
            var at = line.IndexOf(held);
            if (at < 0) throw new InvalidOperationException("the range is not held");
            line.RemoveAt(at);
            for (; at < line.Count; at++)
            {
                var waiting = line[at];
                if (waiting.IsGranted || !waiting.Range.Overlaps(held.Range) || !IsFree(waiting.Range, at)) continue;
                waiting.IsGranted = true;
                (granted ??= []).Add(waiting);
            }
        }

        if (granted is null) return;
        foreach (var next in granted) next.Granted.SetResult(next);
    }

    private bool IsFree(Extent range, int before)
    {
#if SIMULATION_PLANTS
        if (Simulation.Plant.Is(Simulation.Plant.OverlapsUnordered)) return true;
#endif
        for (var i = 0; i < before; i++)
        {
            if (line[i].Range.Overlaps(range)) return false;
        }

        return true;
    }

    /// <summary>One range in the line.</summary>
    public sealed class Held(Extent range, bool isGranted)
    {
        public Extent Range { get; } = range;

        internal bool IsGranted { get; set; } = isGranted;

        // Only those that have to wait need one.
        internal TaskCompletionSource<Held> Granted { get; } = isGranted ? null! : new TaskCompletionSource<Held>(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
