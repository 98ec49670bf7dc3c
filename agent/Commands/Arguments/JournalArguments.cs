namespace VmRepl.Agent.Commands.Arguments;

/// <summary>Limits of the journals of a replica; null where the configuration's hold.</summary>
/// <param name="CapacityBytes">Most bytes of a group's journal.</param>
/// <param name="AgeMax">Points older than this are retired.</param>
/// <param name="FreeBytesMin">Bytes of the volume that are kept free.</param>
public sealed record JournalArguments(long? CapacityBytes = null, TimeSpan? AgeMax = null, long? FreeBytesMin = null);
