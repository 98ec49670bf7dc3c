namespace VmRepl.Journal;

/// <summary>A commit was refused, whole and before anything was written, because its bytes would pass a hard limit and nothing may be retired for it.</summary>
public sealed class JournalFullException(string message) : IOException(message);
