using VmRepl.Blocks;

namespace VmRepl.Replication.Source.Following;

/// <summary>A record that was stamped and is not known durable at the replica.</summary>
/// <param name="Sequence">Its place in the order.</param>
/// <param name="TimeUs">When it was stamped, microseconds since 1970.</param>
/// <param name="IsBaseline">Whether it belongs to a baseline: then it counts as taken when the replica received it, and its marks stay until the baseline's end is durable.</param>
/// <param name="Disk">The disk whose marks it holds; null for a record without any.</param>
/// <param name="Extent">The sectors that were marked for it.</param>
/// <param name="Weight">Bytes that it takes in the buffer.</param>
/// <param name="Durable">Completed when it is durable (true) or given up (false); null where nobody waits.</param>
/// <param name="Bound">Whether it begins a resync, or ends one or a baseline.</param>
internal readonly record struct Flight(ulong Sequence, long TimeUs, bool IsBaseline, FollowedDisk? Disk, Extent Extent, long Weight, TaskCompletionSource<bool>? Durable, ResyncBound Bound);
