namespace VmRepl.Journal.Limits;

/// <summary>Everybody who needs a part of the recovery range. Used under the journal's index lock.</summary>
internal sealed class RangeHolds
{
    private readonly List<RangeHold> held = [];

    public int Count => held.Count;

    public void Add(RangeHold hold) => held.Add(hold);

    public void Remove(RangeHold hold) => held.Remove(hold);

    /// <summary>The oldest sequence that anybody needs, at most <paramref name="floor"/>.</summary>
    public ulong Floor(ulong floor) => Least(floor, held);

    /// <summary>The same of those that do not give way.</summary>
    public ulong HardFloor(ulong floor) => Least(floor, held.Where(h => !h.GivesWay));

    /// <summary>Closes those that give way and need something before <paramref name="start"/>: told why, whatever they ask from now on.</summary>
    public List<RangeHold> CloseBefore(ulong start, string reason)
    {
        var closed = held.FindAll(h => h.GivesWay && h.Point < start);
        foreach (var hold in closed)
        {
            hold.Close(reason);
            held.Remove(hold);
        }

        return closed;
    }

    private static ulong Least(ulong floor, IEnumerable<RangeHold> holds) => holds.Aggregate(floor, (least, hold) => Math.Min(least, hold.Point));
}
