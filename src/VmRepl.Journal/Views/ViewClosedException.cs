namespace VmRepl.Journal.Views;

/// <summary>A view was closed under its reader, since the journal was at a hard limit and the view held what had to be retired. Every later read of it ends in this.</summary>
/// <param name="message">One sentence that names group, point and reason.</param>
/// <param name="hint">What to do next.</param>
public sealed class ViewClosedException(string message, string hint) : Exception(message)
{
    /// <param name="group">The group's name.</param>
    /// <param name="point">Sequence of the point that was viewed.</param>
    /// <param name="reason">The limit, as the end of a sentence.</param>
    public ViewClosedException(string group, ulong point, string reason)
        : this($"group {group}: the view of point {point} was closed: {reason}, and the view held what had to be retired", $"Open one of a newer point; vmrepl points {group} lists those that are left.")
    {
    }

    public string Hint { get; } = hint;
}
