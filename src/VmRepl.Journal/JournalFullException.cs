namespace VmRepl.Journal;

/// <summary>A commit was refused, whole and before anything was written, because its bytes would pass a hard limit and nothing may be retired for it.</summary>
public sealed class JournalFullException(string message) : IOException(message)
{
    /// <summary>Whether it would be refused again with everything else retired: a record needs more than the journal's capacity. Nobody need wait for room.</summary>
    public bool IsForGood { get; init; }
}
