namespace VmRepl.Replication.Source.Following;

/// <summary>What the stream did with a change.</summary>
/// <param name="Last">Sequence of the last part that was sent; 0 where none was.</param>
/// <param name="Link">The link that it was sent on.</param>
/// <param name="Durable">Completes when that part is durable at the replica (true) or given up (false); null where none was sent or nobody waits.</param>
internal readonly record struct TakenChange(ulong Last, long Link, Task<bool>? Durable);
