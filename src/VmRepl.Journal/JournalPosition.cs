namespace VmRepl.Journal;

/// <summary>Where a group's journal stands.</summary>
/// <param name="Durable">Newest sequence on stable storage; 0 for none.</param>
/// <param name="Applied">Newest sequence in the live images.</param>
/// <param name="Checkpoint">Newest sequence in the live images and flushed there.</param>
/// <param name="Start">The start of the recovery range.</param>
public readonly record struct JournalPosition(ulong Durable, ulong Applied, ulong Checkpoint, ulong Start);
