using VmRepl.Journal.Views;

namespace VmRepl.Journal.Limits;

/// <summary>Somebody needs the recovery range from a point on: a view, which gives way at a hard limit, or a rewind, which does not. Closed once, for good; the reason may be read by anybody.</summary>
/// <param name="group">The group's name.</param>
/// <param name="point">Sequence of the point.</param>
/// <param name="givesWay">Whether it may be closed under its owner.</param>
internal sealed class RangeHold(string group, ulong point, bool givesWay)
{
    private volatile string? closedBecause;

    public ulong Point => point;

    public bool GivesWay => givesWay;

    /// <summary>Why it was closed under its owner; null while it holds.</summary>
    public string? ClosedBecause => closedBecause;

    public void Close(string reason) => closedBecause = reason;

    /// <exception cref="ViewClosedException">It gave way.</exception>
    public void ThrowIfClosed()
    {
        if (closedBecause is { } reason) throw new ViewClosedException(group, point, reason);
    }
}
